drain = 
