package lint

import (
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/podhook/podhook/cmd/kubectl-podhook/manifest"
	"github.com/podhook/podhook/hooks/config"
)

// readPodhook finds out whether and how podhook is in a container, and reads its settings and
// hooks.
func (p *pod) readPodhook(c *container) {
	c.unsure = map[string]bool{}
	c.words = processWords(c.Container)
	environ := p.environment(c)
	for _, list := range [][]string{environ, keys(c.unsure)} {
		c.hasSettings = c.hasSettings || slices.ContainsFunc(list, func(name string) bool { return strings.HasPrefix(name, "PODHOOK_") })
	}
	c.imageDecides = len(c.Command) == 0 && c.words == nil
	byMount := false
	for _, e := range c.execs() {
		if e.podhookWords() != nil {
			c.uses = true
			byMount = byMount || c.mountAt(e.argv[0]) != nil
		}
	}
	c.uses = c.uses || c.hasSettings || c.words != nil
	if byMount {
		c.imageDecides = false // an image with podhook would need no volume with it
	}
	if !c.uses {
		return
	}
	environ = withFlags(environ, c.words)
	c.readSettings(environ)
	if c.hasHooks() {
		p.readHooks(c, environ)
	}
}

func keys(m map[string]bool) (list []string) {
	for key := range m {
		list = append(list, key)
	}
	return list
}

// readHooks reads the container's hooks, if they are in the input.
func (p *pod) readHooks(c *container, environ []string) {
	if c.unsure[config.EnvText] || c.unsure[config.EnvFile] {
		c.unseen(c.at("env"), "the value of "+config.EnvText+" or "+config.EnvFile+" is not in the input")
		return
	}
	if text := c.settings.ConfigYAML; text != "" {
		file, node := p.inlineText(c)
		c.parse(file, node, text, environ)
		return
	}
	file := string(c.settings.Config)
	given := file != ""
	if !given {
		file = path.Join(config.DefaultDir, "podhook.yaml")
	}
	doc, node, text, state := p.fileAt(c, file)
	switch {
	case state == inInput:
		c.parse(doc, node, text, environ)
	case state != missing && p.image != nil:
		c.parse(p.image.file, nil, p.image.text, environ)
	case state == elsewhere:
		c.unseen(c.at("volumeMounts", c.mountAt(file).Name), "the volume of "+file+" is not in the input: add the ConfigMap to see the hooks checked")
	case state == missing && given:
		f := found(c.at("env", config.EnvFile), file, "its volume is in the input and has no such file")
		f.rule = ruleConfig
		c.problems = append(c.problems, f)
	case state == ofImage && given:
		c.unseen(c.at("env", config.EnvFile), "the hooks are in the image")
	}
}

func (c *container) unseen(at []string, msg string) {
	f := found(at, "", msg)
	f.rule = ruleUnseen
	c.problems = append(c.problems, f)
}

// inlineText returns where the text of PODHOOK_CONFIG_YAML is written.
func (p *pod) inlineText(c *container) (file string, node *yaml.Node) {
	for _, e := range c.Env {
		if e.Name != config.EnvText {
			continue
		}
		if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
			ref := e.ValueFrom.ConfigMapKeyRef
			other := p.maps[ref.Name]
			node, _ = manifest.Place(other.Node, "data", ref.Key)
			return other.File, node
		}
	}
	node, _ = manifest.Place(p.doc.Node, p.path(c.at("env", config.EnvText, "value"))...)
	return p.doc.File, node
}

// parse parses hooks that are a value of a manifest. Problems have the lines of the
// manifest.
func (c *container) parse(file string, node *yaml.Node, text string, environ []string) {
	// The lines of a literal block are those of its text, from the one after its key on.
	literal := node != nil && node.Style&yaml.LiteralStyle != 0
	if literal {
		text = strings.Repeat("\n", node.Line) + text
	}
	cfg, broken := config.Inspect(config.Source{Text: text, TextName: file, Environ: environ}, true)
	add := func(rule string, problems []config.Problem) {
		for _, problem := range problems {
			if !literal && node != nil {
				problem.Pos = config.Position{File: file, Line: node.Line}
			}
			c.problems = append(c.problems, finding{rule: rule, problem: problem})
		}
	}
	add(ruleConfig, broken)
	if len(broken) > 0 {
		return
	}
	c.hooks = cfg
	add(ruleConfig, cfg.Hopeless())
	add(ruleHint, cfg.Warnings)
}

// What is known of a file in a container.
type fileState int

const (
	ofImage   fileState = iota // it is in no volume
	inInput                    // its text is in the input
	missing                    // its volume is in the input, and has no such file
	elsewhere                  // its volume is not in the input
)

// fileAt looks a file of the container up in the volumes.
func (p *pod) fileAt(c *container, file string) (doc string, node *yaml.Node, text string, state fileState) {
	mount := c.mountAt(file)
	if mount == nil {
		return "", nil, "", ofImage
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(file, strings.TrimSuffix(mount.MountPath, "/")), "/")
	rest = path.Join(mount.SubPath, rest)
	v := p.volume(mount.Name)
	if v == nil {
		return "", nil, "", elsewhere
	}
	state = missing
	for _, part := range configMaps(v) {
		other, here := p.maps[part.Name]
		if !here {
			state = elsewhere
			continue
		}
		key := rest
		if len(part.Items) > 0 {
			at := slices.IndexFunc(part.Items, func(item corev1.KeyToPath) bool { return item.Path == rest })
			if at < 0 {
				continue
			}
			key = part.Items[at].Key
		}
		if text, has := other.ConfigMap.Data[key]; has {
			node, _ = manifest.Place(other.Node, "data", key)
			return other.File, node, text, inInput
		}
	}
	if len(configMaps(v)) == 0 {
		state = elsewhere
	}
	return "", nil, "", state
}

// configMaps returns the ConfigMaps that a volume is made of.
func configMaps(v *corev1.Volume) (list []corev1.ConfigMapProjection) {
	if m := v.ConfigMap; m != nil {
		list = append(list, corev1.ConfigMapProjection{LocalObjectReference: m.LocalObjectReference, Items: m.Items})
	}
	if v.Projected != nil {
		for _, part := range v.Projected.Sources {
			if part.ConfigMap != nil {
				list = append(list, *part.ConfigMap)
			}
		}
	}
	return list
}
