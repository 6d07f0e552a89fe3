// Package manifest reads Kubernetes manifests: strictly, as the API server does, and
// with the place in the file where each thing stands.
package manifest
