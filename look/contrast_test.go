package look

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// Text must reach 4.5:1 on whatever it stands on, the edges of controls 3:1 (WCAG 2.2, 1.4.3 and 1.4.11).
func TestTokens_Contrast(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("assets/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	colours := map[string][2]float64{} // luminance, light and dark
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)`).FindAllStringSubmatch(string(css), -1) {
		colours[m[1]] = [2]float64{luminance(t, m[2]), luminance(t, m[3])}
	}
	check := func(front, back string, least float64) {
		t.Helper()
		f, okF := colours[front]
		b, okB := colours[back]
		if !okF || !okB {
			t.Errorf("no colour --%s or --%s", front, back)
			return
		}
		for i, scheme := range []string{"light", "dark"} {
			ratio := (math.Max(f[i], b[i]) + .05) / (math.Min(f[i], b[i]) + .05)
			if ratio < least {
				t.Errorf("%s: --%s on --%s has %.2f:1, needs %.1f:1", scheme, front, back, ratio, least)
			}
		}
	}
	for _, back := range []string{"ground", "surface", "sunk"} {
		for _, front := range []string{"ink", "ink-2", "ink-3", "accent", "ok", "warn", "bad"} {
			check(front, back, 4.5)
		}
		check("line-2", back, 3)
	}
	check("accent-ink", "accent", 4.5)
	check("accent-ink", "accent-2", 4.5)
	check("accent", "accent-soft", 4.5)
	check("ink", "accent-soft", 4.5)
	for _, state := range []string{"ok", "warn", "bad"} {
		check(state, state+"-soft", 4.5)
		check("ink", state+"-soft", 4.5)
	}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 4 {
		hex = string([]byte{'#', hex[1], hex[1], hex[2], hex[2], hex[3], hex[3]})
	}
	sum := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		v, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatalf("%s: %v", hex, err)
		}
		c := float64(v) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
