package inject

import (
	"bytes"
	"strings"
	"testing"
)

// What cannot be kept is said, with its line, and nothing is printed.
func TestRefusals(t *testing.T) {
	container := "  - name: second\n    image: c\n"
	for name, test := range map[string]struct {
		text string
		args []string
		want string
	}{
		"tcpSocket":            {fill("", "tcpSocket: {port: 1}", ""), nil, "app.yaml:11: Pod/a, container app: lifecycle.preStop.tcpSocket: Kubernetes does not run it"},
		"two handlers":         {fill("", "exec: {command: [a]}\n        sleep: {seconds: 1}", ""), nil, "it has 2 handlers (exec, sleep)"},
		"no handler":           {fill("", "{}", ""), nil, "it has 0 handlers"},
		"unknown port":         {fill("httpGet: {port: admin}", "", ""), nil, `the container declares no port "admin"`},
		"the node's loopback":  {fill("", "httpGet: {port: 80, host: localhost}", ""), nil, "is the node's own"},
		"a header twice":       {fill("", "httpGet: {port: 80, httpHeaders: [{name: A, value: b}, {name: A, value: c}]}", ""), nil, "A is there twice"},
		"podhook's own header": {fill("", "httpGet: {port: 80, httpHeaders: [{name: Connection, value: b}]}", ""), nil, "Connection"},
		"exec in a sidecar":    {fill("", "exec: {command: [a]}", ""), []string{"--way", "sidecar", "--main", "name:a"}, "a sidecar cannot run the programs"},
		"a sidecar's main":     {fill("", "sleep: {seconds: 1}", ""), []string{"--way", "sidecar"}, "--main name:PROGRAM"},
		"two containers":       {fill("", "", "") + container, nil, "Pod/a has the containers app, second: choose one with --container"},
		"no such container":    {fill("", "", ""), []string{"--container", "none"}, "with a container none"},
		"no image":             {fill("", "", ""), []string{"--image", ""}, "write --image IMAGE"},
		"little time":          {strings.Replace(fill("", "", ""), "Seconds: 60", "Seconds: 4", 1), nil, "write at least 5"},
		"a long sleep":         {fill("", "sleep: {seconds: 56}", ""), nil, "lifecycle.preStop.sleep: 56 s leave no time of terminationGracePeriodSeconds: write at least 61"},
		"Windows":              {strings.Replace(fill("", "", ""), "spec:\n", "spec:\n  os: {name: windows}\n", 1), nil, "Windows"},
		"given hooks":          {fill("", "exec: {command: [a, b c]}", ""), []string{"--config-map", "mine"}, "- exec: [a, b c]"},
		"prestart of an image": {fill("exec: {command: [a]}", "", ""), []string{"--way", "run"}, "write the container's command"},
		"a misspelt field":     {fill("", "sleep: {second: 1}", ""), nil, "app.yaml:11: spec.containers[0].lifecycle.preStop.sleep.second: no such field"},
		"an anchor":            {strings.Replace(fill("", "", ""), "- name: app", "- &c\n    name: app", 1), nil, "write it out here"},
		"a merge":              {strings.Replace(fill("", "", ""), "  containers:", "  initContainers:\n  - &a {imagePullPolicy: Always}\n  containers:", 1) + "    <<: *a\n", nil, "write it out here"},
		"no workload":          {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", nil, "no Pod, Deployment"},
		"no name":              {strings.Replace(fill("", "", ""), "name: a}", "generateName: a-}", 1), nil, "--config-map NAME"},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, code := injectText(t, test.text, append([]string{"--image", "x"}, test.args...)...)
			if code != exitWrong || out != "" || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, %q, %q", code, stderr, out)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-f", "a", "b"}, {"-f", "a", "--way", "x"}, {"-f", "a", "--config", "a", "--config-map", "b"}, {"--nothing"}, {"-f", "a", "--config", "/none"},
	} {
		var out, errs bytes.Buffer
		if code := Run(t.Context(), args, &out, &errs); code != exitUsage || out.Len() > 0 || errs.Len() == 0 {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out.String(), errs.String())
		}
	}
	var out, errs bytes.Buffer
	if code := Run(t.Context(), []string{"-h"}, &out, &errs); code != exitOK || !strings.Contains(errs.String(), "config-map") {
		t.Errorf("-h: exit code %d, %q", code, errs.String())
	}
}
