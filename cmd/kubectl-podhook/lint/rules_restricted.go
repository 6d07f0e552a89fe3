package lint

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// restricted finds what Pod Security "restricted" forbids in a pod with podhook
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/). The tests in
// deploy/kubernetes/prove compare it with the admission plugin.
func restricted(p *pod) []finding {
	if !p.hasPodhook() {
		return nil
	}
	r := &profile{pod: p}
	r.lookAtPod()
	for _, c := range p.containers {
		r.lookAtContainer(c)
	}
	return r.list
}

// hostsForbiddenSince is the minor version since which the profile forbids host in probes and
// hooks.
const hostsForbiddenSince = 34

// profile collects what the profile forbids.
type profile struct {
	*pod
	list []finding
}

func (r *profile) forbid(broken bool, fields []string, value, instead string) {
	if broken {
		r.list = append(r.list, found(fields, value, "Pod Security \"restricted\" forbids it: "+instead))
	}
}

func (r *profile) lookAtPod() {
	s := &r.Spec
	for field, on := range map[string]bool{"hostNetwork": s.HostNetwork, "hostPID": s.HostPID, "hostIPC": s.HostIPC} {
		r.forbid(on, []string{field}, "true", "leave it out")
	}
	for _, v := range s.Volumes {
		allowed := v.ConfigMap != nil || v.CSI != nil || v.DownwardAPI != nil || v.EmptyDir != nil || v.Ephemeral != nil ||
			v.PersistentVolumeClaim != nil || v.Projected != nil || v.Secret != nil || v.Image != nil
		r.forbid(!allowed, []string{"volumes", v.Name}, "", "write a configMap, an emptyDir, an image or a claim")
	}
	c := s.SecurityContext
	if c == nil {
		return
	}
	for _, sysctl := range c.Sysctls {
		r.forbid(!isSafeSysctl(sysctl.Name), []string{"securityContext", "sysctls", sysctl.Name}, sysctl.Name, "leave it out")
	}
	at := []string{"securityContext"}
	r.labels(at, c.SELinuxOptions, c.AppArmorProfile)
	r.forbid(c.RunAsUser != nil && *c.RunAsUser == 0 && !r.ownUsers(), append(at, "runAsUser"), "0", "write another user")
	r.forbid(unconfined(c.SeccompProfile), append(at, "seccompProfile"), "Unconfined", "write type: RuntimeDefault")
}

// ownUsers reports whether the pod has a user namespace, in which its root is nobody's.
func (r *profile) ownUsers() bool { return r.Spec.HostUsers != nil && !*r.Spec.HostUsers }

func (r *profile) labels(at []string, selinux *corev1.SELinuxOptions, apparmor *corev1.AppArmorProfile) {
	types := []string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
	r.forbid(selinux != nil && (selinux.User != "" || selinux.Role != "" || !slices.Contains(types, selinux.Type)),
		slices.Concat(at, []string{"seLinuxOptions"}), "", "leave user and role out, and write type: container_t")
	r.forbid(apparmor != nil && apparmor.Type == corev1.AppArmorProfileTypeUnconfined,
		slices.Concat(at, []string{"appArmorProfile"}), "Unconfined", "write type: RuntimeDefault")
}

func unconfined(s *corev1.SeccompProfile) bool {
	return s != nil && s.Type == corev1.SeccompProfileTypeUnconfined
}

func (r *profile) lookAtContainer(c *container) {
	for _, port := range c.Ports {
		r.forbid(port.HostPort != 0, c.at("ports", port.Name), fmt.Sprint(port.HostPort), "leave hostPort out")
	}
	for _, k := range r.calls() {
		r.forbid(k.c == c && k.Host != "" && r.cluster.minor >= hostsForbiddenSince, k.at("host"), k.Host, "leave host out")
	}
	for name, probe := range c.probes() {
		if tcp := probe.TCPSocket; tcp != nil {
			r.forbid(tcp.Host != "" && r.cluster.minor >= hostsForbiddenSince, c.at(name, "tcpSocket", "host"), tcp.Host, "leave host out")
		}
	}
	at := c.at("securityContext")
	field := func(name string) []string { return slices.Concat(at, []string{name}) }
	s, pod := c.SecurityContext, r.Spec.SecurityContext
	if s == nil {
		s = &corev1.SecurityContext{}
	}
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	r.labels(at, s.SELinuxOptions, s.AppArmorProfile)
	r.forbid(isTrue(s.Privileged), field("privileged"), "true", "leave it out")
	r.forbid(s.ProcMount != nil && *s.ProcMount != corev1.DefaultProcMount && !r.ownUsers(), field("procMount"), "", "leave it out")
	r.forbid(s.RunAsUser != nil && *s.RunAsUser == 0 && !r.ownUsers(), field("runAsUser"), "0", "write another user")
	r.require(at, s, pod)
	if s.Capabilities != nil {
		for _, added := range s.Capabilities.Add {
			r.forbid(added != "NET_BIND_SERVICE", field("capabilities"), string(added), "add none but NET_BIND_SERVICE")
		}
	}
}

// require makes one finding of the fields that a container must have.
func (r *profile) require(at []string, s *corev1.SecurityContext, pod *corev1.PodSecurityContext) {
	nonRoot, seccomp := pod.RunAsNonRoot, pod.SeccompProfile
	if s.RunAsNonRoot != nil {
		nonRoot = s.RunAsNonRoot
	}
	if s.SeccompProfile != nil {
		seccomp = s.SeccompProfile
	}
	var fields, write []string
	need := func(missing bool, field, value string) {
		if missing {
			fields, write = append(fields, field), append(write, field+": "+value)
		}
	}
	need(s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation, "allowPrivilegeEscalation", "false")
	need(s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL"), "capabilities", "{drop: [ALL]}")
	need(!isTrue(nonRoot) && !r.ownUsers(), "runAsNonRoot", "true")
	need(seccomp == nil || unconfined(s.SeccompProfile), "seccompProfile", "{type: RuntimeDefault}")
	if len(fields) == 1 {
		at = slices.Concat(at, fields)
	}
	r.forbid(len(fields) > 0, at, "", "write "+strings.Join(write, ", "))
}

// isSafeSysctl reports whether a pod may set a kernel parameter, by the profile of 1.37.
func isSafeSysctl(name string) bool {
	const safe = " kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range" +
		" net.ipv4.ip_unprivileged_port_start net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time" +
		" net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem" +
		" net.ipv4.tcp_wmem net.ipv4.tcp_slow_start_after_idle net.ipv4.tcp_notsent_lowat "
	return strings.Contains(safe, " "+name+" ")
}
