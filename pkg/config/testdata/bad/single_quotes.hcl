drain = '5s'
