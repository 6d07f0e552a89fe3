package lint

import (
	"net/url"
	"path/filepath"
)

// The part of SARIF 2.1.0 that GitHub's code scanning reads
// (https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string    `json:"id"`
		ShortDescription     sarifText `json:"shortDescription"`
		HelpURI              string    `json:"helpUri"`
		DefaultConfiguration struct {
			Level Severity `json:"level"`
		} `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     Severity        `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		PhysicalLocation struct {
			ArtifactLocation struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				StartLine int `json:"startLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
	}
)

const manual = "https://github.com/podhook/podhook/blob/main/cmd/kubectl-podhook/lint/README.md"

// sarifOf returns the findings as a SARIF log. It lists all rules, so that a finding that is
// gone is closed.
func sarifOf(r *result) sarifLog {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "kubectl-podhook lint", InformationURI: manual}
	index := map[string]int{}
	for i, rule := range allRules() {
		index[rule.id] = i
		made := sarifRule{ID: rule.id, ShortDescription: sarifText{rule.finds}, HelpURI: manual + "#rules"}
		made.DefaultConfiguration.Level = rule.severity
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, made)
	}
	for _, f := range r.Findings {
		text := f.problem()
		text.Pos.File, text.Pos.Line = "", 0
		made := sarifResult{RuleID: f.Rule, RuleIndex: index[f.Rule], Level: f.Severity, Message: sarifText{f.Object + ": " + text.Error()}}
		var at sarifLocation
		at.PhysicalLocation.ArtifactLocation.URI = (&url.URL{Path: filepath.ToSlash(f.File)}).String()
		at.PhysicalLocation.Region.StartLine = max(f.Line, 1)
		made.Locations = []sarifLocation{at}
		run.Results = append(run.Results, made)
	}
	return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}
