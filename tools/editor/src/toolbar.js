// The toolbar and the bars that appear for what the cursor is in.
import { icon, make } from './dom.js'
import { openImageDialog } from './images.js'
import { LinkPicker } from './links.js'

const mac = /Mac|iP(hone|ad)/.test(navigator.platform)
const key = combo => combo.replace('Mod', mac ? '⌘' : 'Ctrl')

export class Toolbar {
  constructor(editor, options) {
    this.editor = editor
    this.options = options
    const w = options.words
    this.buttons = []
    this.el = make('div', { class: 'rte-toolbar', role: 'toolbar', 'aria-label': w.toolbar, 'aria-controls': options.id })
    this.context = make('div', { class: 'rte-context', hidden: true })
    const run = fn => () => fn(this.editor.chain().focus()).run()

    this.style = make('select', { class: 'input rte-style', 'aria-label': w.style },
      ...['paragraph', 'heading2', 'heading3', 'heading4'].map(v => make('option', { value: v, text: w[v] })), make('option', { value: '', text: '–', hidden: true }))
    this.style.addEventListener('change', () => {
      const level = Number(this.style.value.slice(-1)), chain = this.editor.chain().focus()
      if (level) chain.setHeading({ level }).run(); else chain.setParagraph().run()
    })
    this.el.append(this.style)
    this.group(
      ['bold', 'bold', run(c => c.toggleBold()), 'Mod+B', e => e.isActive('bold')],
      ['italic', 'italic', run(c => c.toggleItalic()), 'Mod+I', e => e.isActive('italic')],
      ['strike', 'strike', run(c => c.toggleStrike()), 'Mod+Shift+S', e => e.isActive('strike')],
      ['code', 'code', run(c => c.toggleCode()), 'Mod+E', e => e.isActive('code')],
      ['link', 'link', () => this.openLink(), 'Mod+K', e => e.isActive('link')])
    this.group(
      ['bulletList', 'list', run(c => c.toggleBulletList()), 'Mod+Shift+8', e => e.isActive('bulletList')],
      ['orderedList', 'list-ordered', run(c => c.toggleOrderedList()), 'Mod+Shift+7', e => e.isActive('orderedList')],
      ['blockquote', 'quote', run(c => c.toggleBlockquote()), 'Mod+Shift+B', e => e.isActive('blockquote')],
      ['codeBlock', 'code-block', run(c => c.toggleCodeBlock()), 'Mod+Alt+C', e => e.isActive('codeBlock')])
    this.group(
      ['image', 'image', () => this.openImage()],
      ['table', 'table', () => this.insertTable(), '', null, e => !e.isActive('table')],
      ['rule', 'rule', run(c => c.setHorizontalRule())],
      ['clear', 'clear', run(c => c.unsetAllMarks().clearNodes())])
    this.group(
      ['undo', 'undo', run(c => c.undo()), 'Mod+Z', null, e => e.can().undo()],
      ['redo', 'redo', run(c => c.redo()), 'Mod+Shift+Z', null, e => e.can().redo()],
      ['source', 'paragraph', () => options.toggleSource(), '', () => options.inSource()])
    const source = this.buttons[this.buttons.length - 1].el
    source.textContent = 'HTML'
    source.classList.add('rte-button--word')

    this.el.addEventListener('keydown', e => this.keydown(e))
    this.items().forEach((el, i) => { el.tabIndex = i ? -1 : 0 })
  }

  group(...specs) {
    const box = make('div', { class: 'rte-group', role: 'group' })
    for (const [name, symbol, act, shortcut, active, enabled] of specs) {
      const label = this.options.words[name], title = shortcut ? `${label} (${key(shortcut)})` : label
      const el = make('button', { type: 'button', class: 'rte-button', 'aria-label': label, title, 'aria-pressed': active ? 'false' : null, onclick: act }, icon(symbol))
      el.addEventListener('mousedown', e => e.preventDefault()) // the selection in the text stays
      this.buttons.push({ el, name, active, enabled })
      box.append(el)
    }
    this.el.append(box)
  }

  items() { return [this.style, ...this.buttons.map(b => b.el)] }

  // One tab stop; arrow keys move inside, as assistive technology expects of a toolbar.
  keydown(e) {
    const items = this.items().filter(el => !el.disabled), at = items.indexOf(document.activeElement)
    if (e.key === 'Escape') { this.editor.view.focus(); return }
    if (document.activeElement === this.style && (e.key === 'ArrowUp' || e.key === 'ArrowDown')) return
    let by = { ArrowRight: 1, ArrowLeft: -1 }[e.key]
    if (getComputedStyle(this.el).direction === 'rtl' && by) by = -by
    const to = e.key === 'Home' ? 0 : e.key === 'End' ? items.length - 1 : by && at >= 0 ? (at + by + items.length) % items.length : -1
    if (to < 0) return
    e.preventDefault()
    this.items().forEach(el => { el.tabIndex = -1 })
    items[to].tabIndex = 0
    items[to].focus()
  }

  focus() { (this.items().find(el => el.tabIndex === 0 && !el.disabled) || this.style).focus() }

  update() {
    const e = this.editor, source = this.options.inSource()
    for (const b of this.buttons) {
      const off = b.name !== 'source' && (source || (b.enabled && !b.enabled(e)))
      if (off && document.activeElement === b.el) this.style.focus()
      b.el.disabled = Boolean(off)
      if (b.active) b.el.setAttribute('aria-pressed', String(b.name === 'source' ? source : !source && Boolean(b.active(e))))
    }
    this.style.disabled = source
    const level = [2, 3, 4].find(n => e.isActive('heading', { level: n }))
    this.style.value = level ? `heading${level}` : e.isActive('paragraph') ? 'paragraph' : ''
    this.showContext()
  }

  bar(label, ...children) {
    this.context.replaceChildren(...children.filter(Boolean))
    this.context.setAttribute('role', 'group')
    this.context.setAttribute('aria-label', label)
    this.context.hidden = false
    this.reveal()
  }

  // standOn keeps the bar above the one that saves, which is higher on a phone and when it has something to say.
  standOn(bar) {
    const place = () => { this.context.style.insetBlockEnd = `${bar.offsetHeight}px` }
    new ResizeObserver(place).observe(bar)
    place()
  }

  // reveal scrolls what is written out from under the bars, which lie over the text.
  reveal() {
    requestAnimationFrame(() => {
      const { view, state } = this.editor
      if (!view.hasFocus() || this.context.hidden || this.options.inSource()) return
      const caret = view.coordsAtPos(state.selection.head), bottom = this.context.getBoundingClientRect().top, top = this.el.getBoundingClientRect().bottom
      const box = view.dom.parentElement.getBoundingClientRect()
      if (caret.bottom < box.top || caret.top > box.bottom) return // scrolled away within the text
      const by = caret.bottom > bottom - 8 ? caret.bottom - bottom + 16 : caret.top < top + 4 ? caret.top - top - 12 : 0
      if (by) window.scrollBy(0, by)
    })
  }

  small(name, symbol, act, danger) {
    const label = this.options.words[name]
    return make('button', { type: 'button', class: 'rte-button rte-button--word' + (danger ? ' is-danger' : ''), title: label, onclick: act }, symbol && icon(symbol), make('span', { text: label }))
  }

  showContext() {
    const e = this.editor, w = this.options.words
    if (this.linking) return
    const kind = this.options.inSource() ? '' : e.isActive('imageBlock') || e.isActive('image') ? 'image' : e.isActive('codeBlock') ? 'codeBlock' : e.isActive('table') ? 'table' : e.isActive('link') ? 'link' : ''
    const at = kind === 'image' || kind === 'codeBlock' ? kind + e.state.selection.from : kind
    if (this.context.contains(document.activeElement) && at === this.contextAt) return
    this.contextAt = at
    const run = fn => () => fn(e.chain().focus()).run()
    if (kind === 'table') {
      this.bar(w.table, this.small('rowAfter', 'plus', run(c => c.addRowAfter())), this.small('columnAfter', 'plus', run(c => c.addColumnAfter())),
        this.small('deleteRow', 'minus', run(c => c.deleteRow())), this.small('deleteColumn', 'minus', run(c => c.deleteColumn())),
        this.small('headerRow', '', run(c => c.toggleHeaderRow())), this.small('headerColumn', '', run(c => c.toggleHeaderColumn())),
        this.small('merge', '', run(c => c.mergeOrSplit())), this.small('deleteTable', 'trash', run(c => c.deleteTable()), true))
    } else if (kind === 'image') this.imageBar()
    else if (kind === 'codeBlock') {
      const input = make('input', { class: 'input rte-input', 'aria-label': w.language, placeholder: w.language, value: e.getAttributes('codeBlock').language || '' })
      input.addEventListener('change', () => e.commands.updateAttributes('codeBlock', { language: input.value.trim().replace(/[^\w+#-]/g, '') || null, bare: false }))
      input.addEventListener('keydown', ev => { if (ev.key === 'Enter' || ev.key === 'Escape') { ev.preventDefault(); input.blur(); e.commands.focus() } })
      this.bar(w.codeBlock, input)
    } else if (kind === 'link') {
      const { href } = e.getAttributes('link')
      this.bar(w.link, make('span', { class: 'rte-address', text: href || '' }), this.small('link', 'edit', () => this.openLink()), this.small('remove', 'unlink', run(c => c.extendMarkRange('link').unsetMark('link'))))
    } else {
      this.context.hidden = true
      this.context.replaceChildren()
    }
  }

  imageBar() {
    const e = this.editor, w = this.options.words, name = e.isActive('imageBlock') ? 'imageBlock' : 'image'
    const attrs = e.getAttributes(name)
    const alt = make('input', { class: 'input rte-input', 'aria-label': w.alt, placeholder: w.alt, title: w.altHelp, value: attrs.alt || '' })
    alt.addEventListener('change', () => e.commands.updateAttributes(name, { alt: alt.value }))
    alt.addEventListener('keydown', ev => { if (ev.key === 'Enter' || ev.key === 'Escape') { ev.preventDefault(); alt.blur(); e.commands.focus() } })
    const parts = [alt]
    if (name === 'imageBlock') {
      const places = ['alignnone', 'alignleft', 'aligncenter', 'alignright', 'alignwide', 'alignfull']
      const classes = (e.getAttributes('figure').class || '').split(/\s+/)
      const select = make('select', { class: 'input rte-style', 'aria-label': w.position }, ...places.map(p => make('option', { value: p, text: w[p] })))
      select.value = places.find(p => classes.includes(p)) || 'alignnone'
      select.addEventListener('change', () => {
        const rest = (e.getAttributes('figure').class || '').split(/\s+/).filter(c => c && !places.includes(c))
        if (select.value !== 'alignnone') rest.push(select.value)
        e.commands.updateAttributes('figure', { class: rest.join(' ') || null })
      })
      parts.push(select, this.small('addCaption', 'edit', () => this.caption()))
    }
    parts.push(this.small('remove', 'trash', () => {
      const { $from } = e.state.selection
      if (name === 'imageBlock' && $from.parent.type.name === 'figure') e.chain().focus().deleteRange({ from: $from.before(), to: $from.after() }).run()
      else e.chain().focus().deleteSelection().run()
    }, true))
    this.bar(w.image, ...parts)
  }

  // caption moves into the caption of the figure around the selected image and makes one if there is none.
  caption() {
    const { $from } = this.editor.state.selection, figure = $from.parent, end = $from.end()
    if (figure.type.name !== 'figure') return
    const last = figure.lastChild
    if (last.type.name === 'figcaption') this.editor.chain().focus().setTextSelection(end - 1).run()
    else this.editor.chain().focus().insertContentAt(end, { type: 'figcaption' }).setTextSelection(end + 1).run()
  }

  // insertTable takes the place of an empty paragraph rather than standing behind it.
  insertTable() {
    const { $from, empty } = this.editor.state.selection
    const spare = empty && $from.parent.type.name === 'paragraph' && !$from.parent.content.size ? $from.before() : -1
    const chain = this.editor.chain().focus().insertTable({ rows: 3, cols: 3, withHeaderRow: true })
    if (spare >= 0) {
      chain.command(({ tr }) => {
        const left = tr.doc.nodeAt(spare)
        if (left && left.type.name === 'paragraph' && !left.content.size) tr.delete(spare, spare + left.nodeSize)
        return true
      })
    }
    chain.run()
  }

  openLink() {
    const e = this.editor, w = this.options.words, attrs = e.getAttributes('link')
    this.linking = true
    const input = make('input', { class: 'input rte-input', type: 'text', 'aria-label': w.address, placeholder: this.options.linksURL ? w.linkSearch : 'https://…', value: attrs.href || '' })
    const picker = this.options.linksURL ? new LinkPicker(input, this.options) : null
    const tab = make('input', { type: 'checkbox', checked: attrs.target === '_blank' })
    const done = () => { if (picker) picker.close(); this.linking = false; this.contextAt = ''; e.commands.focus(); this.update() }
    const apply = () => {
      let href = input.value.trim()
      if (/^[\w-]+(\.[\w-]+)+([/?#].*)?$/.test(href)) href = 'https://' + href
      if (/^[^\s@/:]+@[^\s@/]+\.[^\s@/]+$/.test(href)) href = 'mailto:' + href
      const chain = e.chain().extendMarkRange('link')
      if (!href || /^\s*(javascript|data|vbscript):/i.test(href)) chain.unsetMark('link').run()
      else if (e.state.selection.empty && !attrs.href) e.chain().insertContent({ type: 'text', text: (picker && picker.titleOf(href)) || href, marks: [{ type: 'link', attrs: { href, target: tab.checked ? '_blank' : null, rel: tab.checked ? 'noopener' : null } }] }).run()
      else chain.setMark('link', { href, target: tab.checked ? '_blank' : null, rel: tab.checked ? 'noopener' : null }).run()
      done()
    }
    input.addEventListener('keydown', ev => {
      if (picker && picker.keydown(ev)) return
      if (ev.key === 'Enter') { ev.preventDefault(); apply() }
      if (ev.key === 'Escape') { ev.preventDefault(); ev.stopPropagation(); done() }
    })
    this.bar(w.link, picker && picker.el, input, make('label', { class: 'check' }, tab, make('span', { text: w.newTab })),
      make('button', { type: 'button', class: 'button button--small button--primary', text: w.apply, onclick: apply }),
      attrs.href && make('button', { type: 'button', class: 'button button--small', text: w.remove, onclick: () => { e.chain().extendMarkRange('link').unsetMark('link').run(); done() } }),
      make('button', { type: 'button', class: 'button button--quiet button--small', text: w.cancel, onclick: done }))
    input.focus()
    input.select()
  }

  openImage() {
    openImageDialog(this.options, image => this.options.insertFigure(image))
  }
}
