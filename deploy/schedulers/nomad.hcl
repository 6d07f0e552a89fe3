# podhook as the entrypoint of a task in Nomad: the stop of an allocation sends kill_signal,
# podhook runs shutdown, and kill_timeout is its grace period.
job "web" {
  datacenters = ["dc1"]

  group "web" {
    network {
      port "http" {
        to = 8000
      }
    }

    # Nomad takes the service out of its catalog, waits, and then stops the task.
    shutdown_delay = "5s"

    service {
      name     = "web"
      port     = "http"
      provider = "nomad"
    }

    task "web" {
      driver       = "docker"
      kill_signal  = "SIGTERM"
      kill_timeout = "60s"

      config {
        image = "registry.example/web-with-podhook:1"
        ports = ["http"]

        healthchecks {
          disable = false
        }
      }

      env {
        PODHOOK_GRACE_PERIOD = "60s"
        PODHOOK_STOP_SIGNAL  = "QUIT"
        PODHOOK_CONFIG_YAML  = <<-YAML
          ready: [{tcp: "127.0.0.1:8000"}]
          hooks: {shutdown: {timeout: 50s, steps: [{sleep: 5s}]}}
        YAML
      }
    }
  }
}
