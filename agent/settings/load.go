package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/kelseyhightower/envconfig"

	"github.com/podhook/podhook/agent/mainprocess"
	"github.com/podhook/podhook/hooks/config"
)

// Error holds all problems of the variables.
type Error struct{ Problems []string }

func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// Load reads the settings from the environment of the process. It refuses variables of
// environ that begin with PODHOOK_ and are unknown. An empty variable counts as unset, so
// that a manifest can override a variable of the image. The error is an *Error, which
// names each variable, its value and what is allowed; the settings are then those that
// could be read, and the defaults.
func Load(environ []string) (*Settings, error) {
	s := &Settings{}
	problems := decode(s)
	problems = append(problems, unknown(environ)...)
	problems = append(problems, s.contradictions()...)
	for i, problem := range problems {
		problems[i] = config.HideURLs(problem)
	}
	if len(problems) > 0 {
		return s, &Error{Problems: problems}
	}
	return s, nil
}

// Bypassed reads only PODHOOK_DISABLED, so that podhook can be disabled even if another
// variable is broken.
func Bypassed() bool {
	disabled, err := strconv.ParseBool(os.Getenv(Name("Disabled")))
	return err == nil && disabled
}

// decode sets the defaults, and then passes envconfig one variable at a time: envconfig
// stops at the first problem, and a person wants to see all of them.
func decode(s *Settings) []string {
	if err := envconfig.Process(unset, s); err != nil {
		return []string{err.Error()}
	}
	var problems []string
	all := reflect.ValueOf(s).Elem()
	for i := range all.NumField() {
		field := all.Type().Field(i)
		if os.Getenv(Name(field.Name)) == "" {
			continue
		}
		err := decodeField(field, all.Field(i))
		var parse *envconfig.ParseError
		switch {
		case err == nil:
		case errors.As(err, &parse) && field.Type == reflect.TypeFor[Secret]():
			problems = append(problems, fmt.Sprintf("%s: %v", parse.KeyName, parse.Err))
		case errors.As(err, &parse):
			problems = append(problems, fmt.Sprintf("%s: %q: %s", parse.KeyName, parse.Value, allowed(field, parse)))
		default:
			problems = append(problems, fmt.Sprintf("%s: %v", Name(field.Name), err))
		}
	}
	return problems
}

// unset is a prefix that no variable can have. With it envconfig finds no variable and
// sets every default.
const unset = "="

func decodeField(field reflect.StructField, value reflect.Value) error {
	field.Name = strings.TrimPrefix(Name(field.Name), Prefix) // of which envconfig makes the variable's
	one := reflect.New(reflect.StructOf([]reflect.StructField{field}))
	if err := envconfig.Process(strings.TrimSuffix(Prefix, "_"), one.Interface()); err != nil {
		return err
	}
	value.Set(one.Elem().Field(0))
	return nil
}

// allowed says which values a field takes. The errors of strconv and time do not.
func allowed(field reflect.StructField, err *envconfig.ParseError) string {
	switch field.Type {
	case reflect.TypeFor[bool]():
		return "allowed are true and false"
	case reflect.TypeFor[time.Duration]():
		return config.DurationNeeded(err.Value)
	}
	return err.Err.Error()
}

func (s *Settings) contradictions() []string {
	var problems []string
	if s.Config != "" && s.ConfigYAML != "" {
		problems = append(problems, "PODHOOK_CONFIG and PODHOOK_CONFIG_YAML are both set: one of them is allowed")
	}
	if s.Token != "" && s.TokenFile != "" {
		problems = append(problems, "PODHOOK_TOKEN and PODHOOK_TOKEN_FILE are both set: one of them is allowed")
	}
	problems = append(problems, s.tlsProblems()...)
	if (s.Pushgateway != "" || s.TextfileDir != "") && s.PushGroup == nil {
		problems = append(problems, "PODHOOK_PUSHGATEWAY and PODHOOK_TEXTFILE_DIR need PODHOOK_PUSH_GROUP: labels of the workload such as namespace=shop,app=web")
	}
	if s.MetricsListen != "" && s.MetricsListen == s.Listen {
		problems = append(problems, fmt.Sprintf("PODHOOK_METRICS_LISTEN: %q: another address than that of PODHOOK_LISTEN is needed", s.MetricsListen))
	}
	if s.Main != "" {
		if _, err := mainprocess.Parse(s.Main); err != nil {
			problems = append(problems, fmt.Sprintf("PODHOOK_MAIN: %v", err))
		}
	}
	if s.GracePeriod < time.Second {
		problems = append(problems, fmt.Sprintf("PODHOOK_GRACE_PERIOD: %q: at least 1s is needed", s.GracePeriod))
	} else if s.GraceMargin < 0 || s.GraceMargin >= s.GracePeriod {
		problems = append(problems, fmt.Sprintf("PODHOOK_GRACE_MARGIN: %q: from 0s to less than PODHOOK_GRACE_PERIOD (%v) is allowed", s.GraceMargin, s.GracePeriod))
	}
	if t := s.TerminationLog; t != "" && t != Off && !filepath.IsAbs(t) {
		problems = append(problems, fmt.Sprintf("PODHOOK_TERMINATION_LOG: %q: an absolute path or off is needed", t))
	}
	return problems
}

func (s *Settings) tlsProblems() (problems []string) {
	switch {
	case (s.TLSCertFile == "") != (s.TLSKeyFile == ""):
		problems = append(problems, "PODHOOK_TLS_CERT_FILE and PODHOOK_TLS_KEY_FILE are needed together: only one of them is set")
	case s.TLS != "" && s.TLSCertFile != "":
		problems = append(problems, "PODHOOK_TLS and PODHOOK_TLS_CERT_FILE are both set: one of them is allowed")
	}
	if s.TLSClientCAFile != "" && s.TLS == "" && s.TLSCertFile == "" {
		problems = append(problems, "PODHOOK_TLS_CLIENT_CA_FILE needs TLS: set PODHOOK_TLS_CERT_FILE and PODHOOK_TLS_KEY_FILE, or PODHOOK_TLS=self-signed")
	}
	return problems
}

// Off disables a setting that has a default.
const Off = "off"

// Row is one setting in podhook help and the README.
type Row struct{ Name, Default, Description string }

// Table returns all settings in the order of Settings.
func Table() []Row {
	t := reflect.TypeFor[Settings]()
	rows := make([]Row, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		rows = append(rows, Row{Name: Name(f.Name), Default: f.Tag.Get("default"), Description: f.Tag.Get("desc")})
	}
	return rows
}

// Name returns the variable of a field: PODHOOK_CONFIG_YAML for ConfigYAML. The tag
// split_words would let envconfig derive it too, with 47 kB for regular expressions that an
// idle process keeps.
func Name(field string) string {
	var b strings.Builder
	b.WriteString(Prefix)
	runes := []rune(field)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
