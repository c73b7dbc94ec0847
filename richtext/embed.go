package richtext

import (
	"net/url"
	"strings"
)

// sandbox is what a frame of a known host may do: run its own scripts on its own origin, open
// links in new windows, go to a second screen. It may not navigate the page it is in.
const sandbox = "allow-scripts allow-same-origin allow-popups allow-presentation"

// frame is an address that may be shown in an iframe.
type frame struct {
	src   string
	title string
}

// frameOf says whether raw, the address of an iframe, belongs to a host that may be framed. Plain
// http addresses of such hosts are raised to https; YouTube's are sent to its cookie-free host.
func frameOf(raw string) (frame, bool) {
	u, ok := parseAddress(raw)
	if !ok || u.Host == "" || u.User != nil || u.Port() != "" {
		return frame{}, false
	}
	if u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return frame{}, false
	}
	u.Scheme = "https"
	u.Host = strings.ToLower(u.Host)
	name, prefix := "", ""
	switch u.Host {
	case "www.youtube.com", "youtube.com", "www.youtube-nocookie.com", "youtube-nocookie.com":
		name, prefix = "YouTube", "/embed/"
		u.Host = "www.youtube-nocookie.com"
	case "player.vimeo.com":
		name, prefix = "Vimeo", "/video/"
	case "www.dailymotion.com":
		name, prefix = "Dailymotion", "/embed/"
	case "geo.dailymotion.com":
		name, prefix = "Dailymotion", "/player"
	case "open.spotify.com":
		name, prefix = "Spotify", "/embed/"
	case "w.soundcloud.com":
		name, prefix = "SoundCloud", "/player/"
	case "bandcamp.com":
		name, prefix = "Bandcamp", "/EmbeddedPlayer/"
	case "videopress.com":
		name, prefix = "VideoPress", "/embed/"
	case "embed.ted.com":
		name, prefix = "TED", "/talks/"
	case "archive.org":
		name, prefix = "Internet Archive", "/embed/"
	case "www.openstreetmap.org":
		name, prefix = "OpenStreetMap", "/export/embed.html"
	case "www.google.com":
		name, prefix = "Google Maps", "/maps/embed"
	case "codepen.io":
		name, prefix = "CodePen", "/"
	default:
		return frame{}, false
	}
	if !strings.HasPrefix(u.Path, prefix) || strings.Contains(u.Path, "..") {
		return frame{}, false
	}
	if u.Host == "codepen.io" && !strings.Contains(u.Path, "/embed/") {
		return frame{}, false
	}
	return frame{src: u.String(), title: name}, true
}

// Embed returns the HTML that shows raw, the address of a page of a known provider (a film on
// YouTube or Vimeo, a track on Spotify), in a frame. known is false, and out empty, when the
// address is not one that can be framed; a plain link is then the right thing to show.
func Embed(raw string) (out string, known bool) {
	u, ok := parseAddress(raw)
	if !ok || u.Scheme != "http" && u.Scheme != "https" {
		return "", false
	}
	src := ""
	path := strings.Trim(u.Path, "/")
	switch host := strings.TrimPrefix(strings.ToLower(u.Host), "www."); host {
	case "youtube.com", "m.youtube.com", "youtube-nocookie.com":
		first, rest, _ := strings.Cut(path, "/")
		switch {
		case first == "watch":
			src = youtube(u.Query().Get("v"), u)
		case first == "embed" || first == "shorts" || first == "live" || first == "v":
			src = youtube(rest, u)
		case first == "playlist" && token(u.Query().Get("list")):
			src = "https://www.youtube-nocookie.com/embed/videoseries?list=" + u.Query().Get("list")
		}
	case "youtu.be":
		src = youtube(path, u)
	case "vimeo.com":
		if id := path[strings.LastIndex(path, "/")+1:]; id != "" && strings.Trim(id, "0123456789") == "" {
			src = "https://player.vimeo.com/video/" + id
		}
	case "dailymotion.com":
		if id, ok := strings.CutPrefix(path, "video/"); ok && token(id) {
			src = "https://www.dailymotion.com/embed/video/" + id
		}
	case "videopress.com":
		if id, ok := strings.CutPrefix(path, "v/"); ok && token(id) {
			src = "https://videopress.com/embed/" + id
		}
	case "open.spotify.com":
		if kind, id, ok := strings.Cut(path, "/"); ok && token(kind) && token(id) {
			src = "https://open.spotify.com/embed/" + kind + "/" + id
		}
	case "ted.com":
		if id, ok := strings.CutPrefix(path, "talks/"); ok && token(id) {
			src = "https://embed.ted.com/talks/" + id
		}
	case "soundcloud.com":
		if strings.Count(path, "/") >= 1 {
			src = "https://w.soundcloud.com/player/?url=" + url.QueryEscape(u.String())
		}
	}
	if src == "" {
		src = raw
	}
	f, ok := frameOf(src)
	if !ok {
		return "", false
	}
	return `<iframe src="` + escapeAttr(f.src) + `" width="640" height="360" loading="lazy" allow="` + frameAllow +
		`" allowfullscreen referrerpolicy="` + frameReferrer + `" sandbox="` + sandbox + `" title="` + f.title + `"></iframe>`, true
}

const (
	frameAllow    = "fullscreen; picture-in-picture; encrypted-media"
	frameReferrer = "strict-origin-when-cross-origin"
)

func youtube(id string, u *url.URL) string {
	if !token(id) {
		return ""
	}
	src := "https://www.youtube-nocookie.com/embed/" + id
	start := strings.TrimSuffix(u.Query().Get("t"), "s")
	if start == "" {
		start = u.Query().Get("start")
	}
	if start != "" && len(start) < 7 && strings.Trim(start, "0123456789") == "" {
		src += "?start=" + start
	}
	return src
}

// token reports whether s is a plain identifier as hosts give to their films and tracks.
func token(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}
