package httpd

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// A form of any handler holds text in its one form, and what is no text never gets there.
func TestForm_HoldsTextInOneForm(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if err := ReadForm(r); err != nil {
			Handle(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(w, r)
			return
		}
		_, _ = io.WriteString(w, r.PostForm.Get("title")+"|"+r.FormValue("q")+"|"+strings.Join(r.PostForm["tag"], ","))
	})
	post := func(query, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/x?"+query, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		return answer(s, r)
	}
	decomposed := url.QueryEscape("Re\u0301sume\u0301")
	for _, c := range []struct {
		query, body string
		status      int
		want        string
	}{
		{"q=" + decomposed, "title=" + decomposed + "&tag=b&tag=a", 200, "Résumé|Résumé|b,a"},
		{"q=1", "title=plain&tag=x", 200, "plain|1|x"},
		{"q=1", "title=a%00b", 200, "ab|1|"},
		{"q=1", "title=R\u0065\u0301", 200, "R\u00e9|1|"},
		{"q=1", "title=%ff%fe", 422, "title"},
		{"q=1", "title=%ed%a0%80", 422, "title"},
		{"q=1", "%ff=1", 400, "name of a field"},
		{"q=1", "title=%zz", 400, "could not be read"},
		{"q=%ff", "title=x", 400, "UTF-8"},
		{"q=a%00", "title=x", 400, "UTF-8"},
	} {
		if rec := post(c.query, c.body); rec.Code != c.status || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s with %s: %d %.300s, want %d %q", c.query, c.body, rec.Code, rec.Body, c.status, c.want)
		}
	}
}

func TestForm_LimitOfTheHandlerHolds(t *testing.T) {
	t.Parallel()
	s, _ := newServer(t, Options{MaxBody: 1000}, func(w http.ResponseWriter, r *http.Request) {
		LimitBody(r, 2000)
		err := ReadForm(r)
		Handle(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(w, r)
	})
	for size, status := range map[int]int{1500: 200, 3000: 413} {
		r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader("title="+strings.Repeat("x", size)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if rec := answer(s, r); rec.Code != status {
			t.Errorf("%d bytes: %d, want %d", size, rec.Code, status)
		}
	}
}

func TestPath_OtherUnicodeFormLeadsToTheOneInUse(t *testing.T) {
	t.Parallel()
	s, _ := newServer(
		t,
		Options{},
		func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method+" "+r.URL.Path) },
	)
	decomposed := "/w/pingu%CC%88ino-nin%CC%83o?a=1"
	rec := answer(s, request(http.MethodGet, decomposed))
	if rec.Code != http.StatusPermanentRedirect || rec.Header().Get("Location") != "/w/ping%C3%BCino-ni%C3%B1o?a=1" {
		t.Errorf("%d to %q", rec.Code, rec.Header().Get("Location"))
	}
	r := request(http.MethodPost, decomposed, "Sec-Fetch-Site", "same-origin")
	if rec := answer(s, r); rec.Code != 200 || rec.Body.String() != "POST /w/pingüino-niño" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := answer(s, request(http.MethodGet, "/w/ping%C3%BCino")); rec.Code != 200 {
		t.Errorf("the composed form: %d", rec.Code)
	}
	// No redirect leaves the host.
	if rec := answer(s, request(http.MethodGet, "//evil.example/e%CC%81")); !strings.HasPrefix(
		rec.Header().Get("Location"),
		"/evil.example/",
	) {
		t.Errorf("leads to %q", rec.Header().Get("Location"))
	}
}
