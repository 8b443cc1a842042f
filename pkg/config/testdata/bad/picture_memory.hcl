limits {
  picture_memory = "100MiB"
}
