package richtext_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/richtext"
)

func TestCheck_RefusesWhatIsTooDeepOrTooMuch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		src  string
		fits bool
	}{
		"plain":                       {"<p>Hello <b>world</b></p>", true},
		"as deep as it may":           {strings.Repeat("<div>", 256) + strings.Repeat("</div>", 256), true},
		"too deep":                    {strings.Repeat("<div>", 257), false},
		"unknown elements":            {strings.Repeat("<x-y>", 300), false},
		"1.5 MB of nesting":           {strings.Repeat("<b>", 500_000), false},
		"paragraphs never closed":     {strings.Repeat("<p>word ", 40_000), true},
		"lists never closed":          {"<ul>" + strings.Repeat("<li>word ", 40_000), true},
		"too many":                    {strings.Repeat("<br>", 100_001), false},
		"emphasis that is not closed": {emphasis(255) + strings.Repeat("<p>x", 20_000), false},
		"a long chapter":              {strings.Repeat("<p>A <em>word</em> and <a href=\"/x\"><b>more</b></a>.</p>", 8_000), true},
		"end tags alone":              {strings.Repeat("</div>", 400_000), true},
	} {
		began := time.Now()
		err := richtext.Check(c.src)
		if (err == nil) != c.fits || err != nil && !stoa.Is(err, stoa.KindTooLarge) {
			t.Errorf("%s: %v, fits %v", name, err, c.fits)
		}
		t.Logf("%s: %d bytes in %s", name, len(c.src), time.Since(began))
	}
}

func emphasis(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `<b id="x%d">`, i)
	}
	return b.String()
}

// What Check accepts is cleaned in a time that is not noticed behind a save, also at its limits.
func TestCheck_WhatFitsIsCleanedSoon(t *testing.T) {
	t.Parallel()
	p := richtext.New()
	for name, src := range map[string]string{
		"many":     strings.Repeat("<p>x</p>", 45_000),
		"deep":     strings.Repeat(strings.Repeat("<div>", 250)+"x"+strings.Repeat("</div>", 250), 300),
		"emphasis": strings.Repeat(emphasis(30)+"<p>y"+strings.Repeat("</b>", 30), 1_000),
		"tables":   strings.Repeat(strings.Repeat("<table><tr><td>", 60)+"x"+strings.Repeat("</table>", 60), 150),
	} {
		if err := richtext.Check(src); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		began := time.Now()
		out := p.Sanitize(src)
		t.Logf("%s: %d bytes cleaned to %d in %s", name, len(src), len(out), time.Since(began))
	}
}
