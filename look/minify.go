package look

// minify removes comments and needless white space from a style sheet. It knows strings and nothing else of the
// language, and is meant for the sheets of this package: they never rely on white space before "{", "}", ";", "," or
// ">", nor after those or ":".
func minify(css []byte) []byte {
	out := make([]byte, 0, len(css))
	space := false
	for i := 0; i < len(css); i++ {
		c := css[i]
		switch {
		case c == '/' && i+1 < len(css) && css[i+1] == '*':
			i += 2
			for i+1 < len(css) && (css[i] != '*' || css[i+1] != '/') {
				i++
			}
			i++
			space = true
			continue
		case c == ' ' || c == '\n' || c == '\t' || c == '\r':
			space = true
			continue
		}
		if space {
			space = false
			if len(out) > 0 && !tight(out[len(out)-1]) && out[len(out)-1] != ':' && !tight(c) {
				out = append(out, ' ')
			}
		}
		if c == '}' && len(out) > 0 && out[len(out)-1] == ';' {
			out = out[:len(out)-1]
		}
		out = append(out, c)
		if c == '"' || c == '\'' {
			for i++; i < len(css); i++ {
				out = append(out, css[i])
				if css[i] == c {
					break
				}
				if css[i] == '\\' && i+1 < len(css) {
					i++
					out = append(out, css[i])
				}
			}
		}
	}
	return out
}

func tight(c byte) bool { return c == '{' || c == '}' || c == ';' || c == ',' || c == '>' }
