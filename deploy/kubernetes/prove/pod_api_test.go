package prove

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podhook/podhook/agent/podapi"
	"github.com/podhook/podhook/hooks/state"
)

// stopped is a change of a Pod that runs, and the stop reason that it means.
type stopped struct {
	change func(*corev1.Pod)
	want   state.StopReason
}

var now = time.Now().Truncate(time.Second)

func deleted(p *corev1.Pod) {
	p.DeletionTimestamp = &metav1.Time{Time: now.Add(30 * time.Second)}
	p.DeletionGracePeriodSeconds = new(int64)
}

func disrupted(reason, message string, status corev1.ConditionStatus) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type: corev1.DisruptionTarget, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.Time{Time: now},
		})
	}
}

func both(all ...func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, change := range all {
			change(p)
		}
	}
}

func failed(reason string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, reason }
}

// deadline sets activeDeadlineSeconds. The Pod runs for a minute.
func deadline(seconds int64) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.ActiveDeadlineSeconds = &seconds }
}

// ended ends all containers but the native sidecar.
func ended(policy corev1.RestartPolicy, codes ...int32) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.RestartPolicy = policy
		for i, code := range codes {
			p.Status.ContainerStatuses[i].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: "Completed"}}
		}
	}
}

var stops = map[string]stopped{
	"a restart":                        {func(*corev1.Pod) {}, state.StopLiveness},
	"deleted":                          {deleted, state.StopDeleted},
	"evicted by the API":               {both(deleted, disrupted("EvictionByEvictionAPI", "Eviction API: evicting", "True")), state.StopEvicted},
	"evicted for a taint":              {both(deleted, disrupted("DeletionByTaintManager", "", "True")), state.StopEvicted},
	"preempted by the scheduler":       {both(deleted, disrupted(corev1.PodReasonPreemptionByScheduler, "preempting to accommodate a higher priority pod", "True")), state.StopPreempted},
	"the node is gone":                 {both(deleted, disrupted("DeletionByPodGC", "PodGC: node no longer exists", "True")), state.StopNodeShutdown},
	"an eviction that was called off":  {both(deleted, disrupted("EvictionByEvictionAPI", "", "False")), state.StopDeleted},
	"an eviction that was refused":     {disrupted("EvictionByEvictionAPI", "", "True"), state.StopLiveness},
	"a disruption of tomorrow":         {both(deleted, disrupted("DeletionBySomethingNew", "", "True")), state.StopDeleted},
	"evicted by kubelet":               {disrupted(corev1.PodReasonTerminationByKubelet, "The node was low on resource: memory.", "True"), state.StopEvicted},
	"preempted by kubelet":             {disrupted(corev1.PodReasonTerminationByKubelet, "Preempted in order to admit critical pod", "True"), state.StopPreempted},
	"the node shuts down":              {disrupted(corev1.PodReasonTerminationByKubelet, "Pod was terminated in response to imminent node shutdown.", "True"), state.StopNodeShutdown},
	"evicted, by status.reason":        {failed("Evicted"), state.StopEvicted},
	"preempted, by status.reason":      {failed("Preempting"), state.StopPreempted},
	"node shutdown, by status.reason":  {both(failed("Terminated"), disrupted(corev1.PodReasonTerminationByKubelet, "", "True")), state.StopNodeShutdown},
	"deadline, by status.reason":       {failed("DeadlineExceeded"), state.StopDeadline},
	"past its deadline":                {deadline(60), state.StopDeadline},
	"before its deadline":              {deadline(61), state.StopLiveness},
	"deleted after its deadline":       {both(deleted, deadline(1)), state.StopDeleted},
	"a Job is done":                    {ended(corev1.RestartPolicyNever, 0, 0), state.StopCompleted},
	"a Job has failed":                 {ended(corev1.RestartPolicyNever, 0, 3), state.StopMainExited},
	"one container of a Job has ended": {ended(corev1.RestartPolicyNever, 0), state.StopLiveness},
	"containers that are restarted":    {ended(corev1.RestartPolicyAlways, 0, 0), state.StopLiveness},
}

func runningPod() *corev1.Pod {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Time{Time: now.Add(-time.Minute)}}}
	return &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "web-0", Namespace: "shop", UID: "1"},
		Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, StartTime: &metav1.Time{Time: now.Add(-time.Minute)},
			Conditions:            []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			InitContainerStatuses: []corev1.ContainerStatus{{Name: "podhook", State: running}},
			ContainerStatuses:     []corev1.ContainerStatus{{Name: "app", State: running}, {Name: "other", State: running}},
		},
	}
}

// podhook understands a Pod as Kubernetes writes it.
func TestStopReason(t *testing.T) {
	for name, c := range stops {
		t.Run(name, func(t *testing.T) {
			p := runningPod()
			c.change(p)
			got, err := served(t, p).Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if reason := got.StopReason(now); reason != c.want {
				t.Errorf("got %s, want %s", reason, c.want)
			}
		})
	}
}

// served returns a client of an API server that has this Pod alone, for its ServiceAccount.
func served(t *testing.T, p *corev1.Pod) *podapi.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/shop/pods/web-0", func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer a-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if err := json.NewEncoder(w).Encode(p); err != nil {
			t.Error(err)
		}
	})
	return clientOf(t, mux, p)
}

// clientOf returns the client of a Pod, with a ServiceAccount for an API server with TLS.
func clientOf(t *testing.T, handler http.Handler, p *corev1.Pod) *podapi.Client {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	c := &podapi.Client{Server: server.URL, Dir: t.TempDir(), Pod: p.Name}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, text := range map[string]string{"token": "a-token\n", "namespace": p.Namespace, "ca.crt": string(ca)} {
		give(t, c, name, text)
	}
	return c
}

// give changes a file of the ServiceAccount, as kubelet does.
func give(t *testing.T, c *podapi.Client, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Each field that podhook reads is one of Kubernetes.
func TestPodFields(t *testing.T) {
	var all func(ours, theirs reflect.Type, path string)
	all = func(ours, theirs reflect.Type, path string) {
		for ours.Kind() == reflect.Pointer || ours.Kind() == reflect.Slice {
			ours = ours.Elem()
		}
		for theirs.Kind() == reflect.Pointer || theirs.Kind() == reflect.Slice {
			theirs = theirs.Elem()
		}
		if ours.Kind() != reflect.Struct || ours == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range ours.NumField() {
			name := ours.Field(i).Tag.Get("json")
			field, ok := theirs.FieldByNameFunc(func(candidate string) bool {
				f, _ := theirs.FieldByName(candidate)
				return f.Tag.Get("json") == name+",omitempty" || f.Tag.Get("json") == name
			})
			if !ok {
				t.Errorf("%s.%s: Kubernetes has no such field", path, name)
				continue
			}
			all(ours.Field(i).Type, field.Type, path+"."+name)
		}
	}
	all(reflect.TypeFor[podapi.Pod](), reflect.TypeFor[corev1.Pod](), "pod")
}

// The Role allows what podhook does, to the ServiceAccount of the Pod, and nothing else.
func TestPodAPIRole(t *testing.T) {
	text, err := os.ReadFile("../pod-api/component/rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decode(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var account *corev1.ServiceAccount
	var role *rbacv1.Role
	var binding *rbacv1.RoleBinding
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.ServiceAccount:
			account = o
		case *rbacv1.Role:
			role = o
		case *rbacv1.RoleBinding:
			binding = o
		}
	}
	if account == nil || role == nil || binding == nil {
		t.Fatalf("%d objects, not a ServiceAccount, a Role and a RoleBinding", len(objects))
	}
	want := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}},
		{APIGroups: []string{eventsv1.GroupName}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}
	if !reflect.DeepEqual(role.Rules, want) {
		t.Errorf("rules %+v, want %+v", role.Rules, want)
	}
	if want := (rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name}); binding.RoleRef != want {
		t.Errorf("binds %+v, want %+v", binding.RoleRef, want)
	}
	if want := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account.Name}}; !reflect.DeepEqual(binding.Subjects, want) {
		t.Errorf("to %+v, want %+v", binding.Subjects, want)
	}
}

// A Pod whose podhook reads it, or sends Events of it, has the ServiceAccount, its token, and
// its own name and uid.
func TestPodsThatReadThemselves(t *testing.T) {
	found := 0
	everyPod(t, func(t *testing.T, p pod) {
		for _, u := range users(t, p) {
			if !u.settings.PodAPI && u.settings.Events == "" {
				continue
			}
			found++
			if p.spec.ServiceAccountName != "podhook" || p.spec.AutomountServiceAccountToken == nil || !*p.spec.AutomountServiceAccountToken {
				t.Errorf("ServiceAccount %q, its token mounted: %v", p.spec.ServiceAccountName, p.spec.AutomountServiceAccountToken)
			}
			for _, e := range u.Env {
				path := map[string]string{"PODHOOK_POD_NAME": "metadata.name", "PODHOOK_POD_UID": "metadata.uid"}[e.Name]
				if path != "" && (e.ValueFrom == nil || e.ValueFrom.FieldRef == nil || e.ValueFrom.FieldRef.FieldPath != path) {
					t.Errorf("%+v is not %s of the Pod", e, path)
				}
			}
			if u.settings.Events != "" && !slices.ContainsFunc(u.Env, func(e corev1.EnvVar) bool { return e.Name == "PODHOOK_POD_UID" }) {
				t.Error("its Events have no uid")
			}
		}
	})
	if found == 0 {
		t.Error("no Pod reads itself")
	}
}
