accounts {
  registration = "open"
}
service "chat" "whatsapp" {}
listener "web" {
  address = ":3001"
  service = service.chat.whatsapp
}
