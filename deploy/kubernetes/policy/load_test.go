package policy

import (
	"bytes"
	"os"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	admissionregistrationv1beta1 "k8s.io/api/admissionregistration/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// The folders that Kustomize builds.
const (
	imageVolume   = "image-volume"
	initContainer = "init-container"
	beta          = "v1beta1"
)

func kustomized(t *testing.T, dir string) string {
	t.Helper()
	out, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("kustomize build %s: %v", dir, err)
	}
	text, err := out.AsYaml()
	if err != nil {
		t.Fatalf("kustomize build %s: %v", dir, err)
	}
	return string(text)
}

// policies are the objects of a folder, with the defaults that the API server gives them.
func policies(t *testing.T, dir string) []runtime.Object {
	t.Helper()
	objects := decode(t, dir, kustomized(t, dir))
	for _, object := range objects {
		switch o := object.(type) {
		case *admissionregistrationv1.MutatingAdmissionPolicy:
			o.Spec.MatchConstraints.NamespaceSelector = &metav1.LabelSelector{}
		case *admissionregistrationv1.ValidatingAdmissionPolicy:
			o.Spec.MatchConstraints.NamespaceSelector = &metav1.LabelSelector{}
		case *admissionregistrationv1.MutatingAdmissionPolicyBinding, *admissionregistrationv1.ValidatingAdmissionPolicyBinding,
			*admissionregistrationv1beta1.MutatingAdmissionPolicy, *admissionregistrationv1beta1.MutatingAdmissionPolicyBinding:
		default:
			t.Fatalf("%s: %T is no admission policy", dir, object)
		}
	}
	if len(objects) != 4 {
		t.Fatalf("%s has %d objects: two policies and two bindings are expected", dir, len(objects))
	}
	return objects
}

// decode is strict: a misspelt, misplaced or repeated field is an error.
func decode(t *testing.T, source, text string) (objects []runtime.Object) {
	t.Helper()
	for i, document := range strings.Split(text, "\n---\n") {
		object, _, err := serializer().Decode([]byte(document), nil, nil)
		if err != nil {
			t.Fatalf("%s, document %d: %v", source, i+1, err)
		}
		objects = append(objects, object)
	}
	return objects
}

func decodePod(t *testing.T, source, text string) *corev1.Pod {
	t.Helper()
	return decode(t, source, text)[0].(*corev1.Pod)
}

func encode(t *testing.T, object runtime.Object) string {
	t.Helper()
	var text bytes.Buffer
	if err := serializer().Encode(object, &text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func serializer() *json.Serializer {
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{Yaml: true, Strict: true})
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
