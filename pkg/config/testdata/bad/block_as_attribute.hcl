log = { level = "info" }
data_dir {
}
