package widget

import (
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// months are the names of the months and the pattern of a date by language: D, M and Y stand for day, month and
// year.
var months = map[string]struct{ pattern, names string }{
	"en": {"D M Y", "January February March April May June July August September October November December"},
	"de": {"D. M Y", "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"},
	"fr": {"D M Y", "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"},
	"es": {"D de M de Y", "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"},
	"it": {"D M Y", "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre"},
	"nl": {"D M Y", "januari februari maart april mei juni juli augustus september oktober november december"},
	"pt": {"D de M de Y", "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"},
	"ja": {"Y年M月D日", "1 2 3 4 5 6 7 8 9 10 11 12"},
	"zh": {"Y年M月D日", "1 2 3 4 5 6 7 8 9 10 11 12"},
}

// Date writes the day of t as people read it in the language of l; in languages whose names of months are not
// known it is 2026-03-12, which everybody can read. The zone is that of t.
func Date(l stoa.Locale, t time.Time) string {
	m, ok := months[l.Language()]
	if !ok {
		return t.Format(time.DateOnly)
	}
	pattern := m.pattern
	if l == "en-US" {
		pattern = "M D, Y"
	}
	var b strings.Builder
	for _, r := range pattern {
		switch r {
		case 'D':
			b.WriteString(strconv.Itoa(t.Day()))
		case 'M':
			b.WriteString(strings.Fields(m.names)[t.Month()-1])
		case 'Y':
			b.WriteString(strconv.Itoa(t.Year()))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Day writes the day of t in the language and the time zone of the page.
func (r Request) Day(t time.Time) string {
	if r.Zone != nil {
		t = t.In(r.Zone)
	}
	return Date(r.Locale, t)
}
