package richtext

import "testing"

func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ src, text, headings string }{
		{"", "", ""},
		{"plain &amp; simple", "plain & simple", ""},
		{"<h2>Tides &amp; <em>moons</em></h2><p>High</p><h3>Low</h3>", "Tides & moons High Low", "Tides & moons Low"},
		{`<p>a<img src="x" alt="A  grey
 seal"></p>`, "a A grey seal", ""},
		{"<h2>never <p>ended", "never ended", ""},
		{"<h2>one</h3>two</h2>", "one two", "one two"},
		{"<script>h2</script><h1>x</h1>", "x", "x"},
	} {
		if got := Read(c.src); got.Text != c.text || got.Headings != c.headings {
			t.Errorf("Read(%q) = %q", c.src, got)
		}
	}
}
