package policy

import (
	"context"
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/discovery"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/openapi"
	"k8s.io/client-go/openapi/openapitest"
)

// server is the part of an API server that admits Pods by policies: its own plugins, with
// the policies in a store in memory.
type server struct {
	mutating   *mutating.Plugin
	validating *validating.Plugin
	interfaces admission.ObjectInterfaces
}

func newServer(t *testing.T, policies ...runtime.Object) *server {
	t.Helper()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: metav1.NamespaceDefault}}
	store := client{fake.NewClientset(append(policies, namespace)...)}
	shared := informers.NewSharedInformerFactory(store, 0)
	initialize := initializer.New(store, dynamicfake.NewSimpleDynamicClient(scheme.Scheme), shared,
		authorizerfactory.NewAlwaysDenyAuthorizer(), utilfeature.DefaultFeatureGate,
		compatibility.DefaultBuildEffectiveVersion(), t.Context().Done(), mapper)

	s := &server{interfaces: admission.NewObjectInterfacesFromScheme(scheme.Scheme)}
	var err, errValidating error
	s.mutating, err = mutating.NewPlugin(nil)
	s.validating, errValidating = validating.NewPlugin(nil)
	if err := errors.Join(err, errValidating); err != nil {
		t.Fatal(err)
	}
	for _, plugin := range []interface {
		admission.Interface
		admission.InitializationValidator
	}{s.mutating, s.validating} {
		initialize.Initialize(plugin)
		if err := plugin.ValidateInitialization(); err != nil {
			t.Fatal(err)
		}
	}
	shared.Start(t.Context().Done())
	shared.WaitForCacheSync(t.Context().Done())
	return s
}

// create returns the Pod as an API server would store it, or the refusal.
func (s *server) create(ctx context.Context, pod *corev1.Pod) (*corev1.Pod, error) {
	pod = pod.DeepCopy()
	pod.Namespace = metav1.NamespaceDefault
	kind := corev1.SchemeGroupVersion.WithKind("Pod")
	attributes := admission.NewAttributesRecord(pod, nil, kind, pod.Namespace, pod.Name,
		corev1.SchemeGroupVersion.WithResource("pods"), "", admission.Create, &metav1.CreateOptions{}, false, &user.DefaultInfo{Name: "tester"})
	if err := s.mutating.Admit(ctx, attributes, s.interfaces); err != nil {
		return nil, err
	}
	pod.SetGroupVersionKind(kind)
	return pod, s.validating.Validate(ctx, attributes, s.interfaces)
}

// client has the OpenAPI documents of Kubernetes, which the fake one has not.
type client struct{ *fake.Clientset }

func (c client) Discovery() discovery.DiscoveryInterfaces { return schemas{c.Clientset.Discovery()} }

type schemas struct{ discovery.DiscoveryInterfaces }

func (schemas) OpenAPIV3() openapi.Client { return openapitest.NewEmbeddedFileClient() }
