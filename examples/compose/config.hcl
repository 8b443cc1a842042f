# The config of each node in compose.yaml; they are all the same.

storage {
  database   = "postgres://portico:${secret("database-password")}@postgres:5432/portico"
  bus        = "nats://portico:${secret("bus-password")}@nats:4222"
  blobs      = "s3://portico?endpoint=http://s3:7070"
  access_key = "portico"
  secret_key = secret("bucket-key")
}

accounts { registration = "closed" } # docker compose exec portico-1 portico user add ann --generate

# For /readyz, which the front asks. No port of it leaves compose's network.
admin {
  address = ":9090"
  public  = true
}

service "chat" "talk" {}

service "photos" "pictures" {}

listener "talk" {
  address = ":3001"
  service = service.chat.talk
  proxy_protocol {
    from = ["10.77.0.2"] # the front says who the client is
  }
}

listener "pictures" {
  address = ":2001"
  service = service.photos.pictures
  proxy_protocol {
    from = ["10.77.0.2"]
  }
}
