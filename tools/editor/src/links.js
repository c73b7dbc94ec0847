// Looking for something to link to: pages, articles and files, those of the own site first. What is typed as an address
// is one.
import { make } from './dom.js'

let made = 0

export class LinkPicker {
  constructor(input, options) {
    this.input = input
    this.options = options
    this.at = -1
    this.items = []
    this.asked = 0
    const id = `rte-links-${++made}`
    this.el = make('div', { class: 'rte-links', id, role: 'listbox', 'aria-label': options.words.linkFound, hidden: true })
    for (const [name, value] of Object.entries({ role: 'combobox', autocomplete: 'off', 'aria-autocomplete': 'list', 'aria-controls': id, 'aria-expanded': 'false' })) input.setAttribute(name, value)
    input.addEventListener('input', () => { clearTimeout(this.waiting); this.waiting = setTimeout(() => this.look(), 200) })
    input.addEventListener('focus', () => { if (!input.value) this.look() })
  }

  async look() {
    const text = this.input.value.trim(), mine = ++this.asked
    if (/^([a-z][a-z0-9+.-]*:|#|\/\/)/i.test(text)) return this.close()
    const url = new URL(this.options.linksURL, location.href)
    url.searchParams.set('q', text)
    try {
      const response = await fetch(url, { headers: { Accept: 'application/json' }, credentials: 'same-origin' })
      if (!response.ok) throw new Error(String(response.status))
      const { items } = await response.json()
      if (mine === this.asked && this.input.isConnected) this.show(items || [])
    } catch (err) {
      console.warn('links cannot be looked for', err)
      this.close()
    }
  }

  show(items) {
    this.items = items
    this.at = -1
    this.input.removeAttribute('aria-activedescendant')
    this.el.replaceChildren(...items.map((item, i) => make('div', {
      class: 'rte-links__item', role: 'option', id: `${this.el.id}-${i}`, 'aria-selected': 'false',
      onmousedown: e => { e.preventDefault(); this.choose(i) },
    }, make('span', { class: 'rte-links__title', text: item.title }), make('span', { class: 'rte-links__note', text: [item.kind, item.note].filter(Boolean).join(' · ') }))))
    if (!items.length) this.el.append(make('p', { class: 'rte-links__none', role: 'status', text: this.options.words.linkNone }))
    this.el.hidden = false
    this.input.setAttribute('aria-expanded', String(items.length > 0))
  }

  close() {
    this.asked++
    clearTimeout(this.waiting)
    this.el.hidden = true
    this.at = -1
    this.input.setAttribute('aria-expanded', 'false')
    this.input.removeAttribute('aria-activedescendant')
  }

  choose(i) {
    this.chosen = this.items[i]
    this.input.value = this.chosen.url
    this.close()
    this.input.focus()
  }

  titleOf(href) { return this.chosen && this.chosen.url === href ? this.chosen.title : '' }

  // keydown moves in the list; true when the key was for it.
  keydown(e) {
    if (this.el.hidden || !this.items.length) return false
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      this.at = (this.at + (e.key === 'ArrowDown' ? 1 : -1) + this.items.length + (this.at < 0 && e.key === 'ArrowUp' ? 1 : 0)) % this.items.length
      Array.from(this.el.children).forEach((el, i) => {
        el.setAttribute('aria-selected', String(i === this.at))
        if (i === this.at) el.scrollIntoView({ block: 'nearest' })
      })
      this.input.setAttribute('aria-activedescendant', `${this.el.id}-${this.at}`)
    } else if (e.key === 'Enter' && this.at >= 0) this.choose(this.at)
    else if (e.key === 'Escape') this.close()
    else return false
    e.preventDefault()
    e.stopPropagation()
    return true
  }
}
