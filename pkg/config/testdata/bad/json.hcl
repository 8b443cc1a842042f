{"drain": "5s"}
