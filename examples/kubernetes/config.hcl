# The config of each pod; kustomization.yaml makes a ConfigMap of it.

storage {
  database   = "postgres://portico:${secret("database-password")}@postgres:5432/portico"
  bus        = "nats://portico:${secret("bus-password")}@nats:4222"
  blobs      = "s3://portico?endpoint=http://s3:7070"
  access_key = "portico"
  secret_key = secret("bucket-key")
}

accounts { registration = "closed" } # kubectl exec deploy/portico -- portico user add ann --generate

# For the probes and for Prometheus. networkpolicy.yaml says who gets there.
admin {
  address = ":9090"
  public  = true
}

# What a pod that ends goes on with; terminationGracePeriodSeconds is longer.
drain = "20s"

service "chat" "talk" {}

service "photos" "pictures" {}

listener "talk" {
  address = ":3001"
  service = service.chat.talk
  proxy_protocol {
    from = ["10.0.0.0/8"] # where the load balancer's connections come from: your nodes' or its own addresses
  }
}

listener "pictures" {
  address = ":2001"
  service = service.photos.pictures
  proxy_protocol {
    from = ["10.0.0.0/8"]
  }
}
