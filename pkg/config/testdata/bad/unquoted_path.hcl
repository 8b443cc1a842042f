data_dir = ./data
