admin {
  address = ":9090"
}
