package upstream

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	admissionvalidation "k8s.io/kubernetes/pkg/apis/admissionregistration/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const policies = "../policy/"

// decode is strict, and gives the API server's defaults.
func decode(t *testing.T, text string) runtime.Object {
	t.Helper()
	object, _, err := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDecoder().Decode([]byte(text), nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return object
}

func TestPoliciesAreValid(t *testing.T) {
	for _, dir := range []string{"image-volume", "init-container", "v1beta1"} {
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), policies+dir)
		if err != nil {
			t.Fatal(err)
		}
		text, err := built.AsYaml()
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			var problems field.ErrorList
			switch o := decode(t, document).(type) {
			case *admissionregistration.MutatingAdmissionPolicy:
				problems = admissionvalidation.ValidateMutatingAdmissionPolicy(o)
			case *admissionregistration.MutatingAdmissionPolicyBinding:
				problems = admissionvalidation.ValidateMutatingAdmissionPolicyBinding(o)
			case *admissionregistration.ValidatingAdmissionPolicy:
				problems = admissionvalidation.ValidateValidatingAdmissionPolicy(o)
			case *admissionregistration.ValidatingAdmissionPolicyBinding:
				problems = admissionvalidation.ValidateValidatingAdmissionPolicyBinding(o)
			default:
				t.Fatalf("%s: %T is no admission policy", dir, o)
			}
			for _, problem := range problems {
				t.Errorf("%s: %v", dir, problem)
			}
		}
	}
}

// What the policies make of Pods is what an API server would store.
func TestInjectedPodsAreValid(t *testing.T) {
	files, err := filepath.Glob(policies + "testdata/*.yaml")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, document := range strings.Split(string(text), "---\n") {
			pod := decode(t, document).(*core.Pod)
			pod.Namespace = core.NamespaceDefault
			options := podutil.GetValidationOptionsFromPodSpecAndMeta(&pod.Spec, nil, &pod.ObjectMeta, nil)
			for _, problem := range corevalidation.ValidatePodCreate(pod, options) {
				t.Errorf("%s, document %d: %v", filepath.Base(file), i+1, problem)
			}
		}
	}
}
