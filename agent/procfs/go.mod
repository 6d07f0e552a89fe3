module github.com/prometheus/procfs

go 1.26.0
