// Package e2e holds the tests on a real container engine: `make e2e`. They play
// kubelet, by the rules of cmd/kubectl-podhook/rehearse, with containers of images that the
// repository's Dockerfile has built.
package e2e
