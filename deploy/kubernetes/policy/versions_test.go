package policy

import (
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/environment"
)

// v1beta1 is the policy of the init container with another version of the API.
func TestBeta(t *testing.T) {
	policies(t, beta)
	const group = "apiVersion: admissionregistration.k8s.io/"
	got, want := kustomized(t, beta), kustomized(t, initContainer)
	for _, kind := range []string{"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"} {
		want = strings.Replace(want, group+"v1\nkind: "+kind+"\n", group+"v1beta1\nkind: "+kind+"\n", 1)
	}
	if got != want || strings.Count(got, group+"v1beta1\n") != 2 {
		t.Errorf("v1beta1 is\n%s\nwant\n%s", got, want)
	}
}

// An API server 1.34 takes every expression.
func TestExpressionsOfOldestVersion(t *testing.T) {
	for _, object := range policies(t, initContainer) {
		compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(version.MajorMinor(1, 34)))
		if err != nil {
			t.Fatal(err)
		}
		compile := func(e cel.ExpressionAccessor, options cel.OptionalVariableDeclarations) {
			if result := compiler.CompileCELExpression(e, options, environment.NewExpressions); result.Error != nil {
				t.Errorf("%s\n%v", e.GetExpression(), result.Error)
			}
		}
		none, patches := cel.OptionalVariableDeclarations{}, cel.OptionalVariableDeclarations{HasPatchTypes: true}
		variables := func(variables []admissionregistrationv1.Variable) {
			for _, v := range variables {
				e := &validating.Variable{Name: v.Name, Expression: v.Expression}
				if result := compiler.CompileAndStoreVariable(e, none, environment.NewExpressions); result.Error != nil {
					t.Errorf("%s\n%v", v.Expression, result.Error)
				}
			}
		}
		switch o := object.(type) {
		case *admissionregistrationv1.MutatingAdmissionPolicy:
			// Before the variables: conditions do not see them.
			for _, c := range o.Spec.MatchConditions {
				compile(&validating.ValidationCondition{Expression: c.Expression}, none)
			}
			variables(o.Spec.Variables)
			for _, m := range o.Spec.Mutations {
				compile(&patch.JSONPatchCondition{Expression: m.JSONPatch.Expression}, patches)
			}
		case *admissionregistrationv1.ValidatingAdmissionPolicy:
			variables(o.Spec.Variables)
			for _, v := range o.Spec.Validations {
				compile(&validating.ValidationCondition{Expression: v.Expression}, none)
				if v.MessageExpression != "" {
					compile(&validating.AuditAnnotationCondition{ValueExpression: v.MessageExpression}, none)
				}
			}
		}
	}
}
