data_dir = "./data
drain    = "5s"
