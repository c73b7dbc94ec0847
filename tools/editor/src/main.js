// Turns every <textarea data-editor> into a rich-text editor. The textarea stays in the form and always holds the HTML,
// so an ordinary form post works; it is only written to when somebody changed something.
import { Editor } from '@tiptap/core'
import { english, make } from './dom.js'
import { cleanPaste, serialize } from './html.js'
import { upload } from './images.js'
import { extensions } from './schema.js'
import { Toolbar } from './toolbar.js'

let count = 0

function wordsOf(textarea) {
  const words = { ...english }
  for (const json of [document.body.dataset.editorWords, textarea.dataset.words]) {
    if (!json) continue
    try { Object.assign(words, JSON.parse(json)) } catch (err) { console.warn('editor words are not JSON', err) }
  }
  return words
}

function enhance(textarea) {
  if (textarea.dataset.enhanced) return
  textarea.dataset.enhanced = 'yes'
  const words = wordsOf(textarea), id = `rte-${++count}`
  const surface = make('div', { class: 'rte-surface' })
  const box = make('div', { class: 'rte' })
  const label = textarea.labels && textarea.labels[0]
  if (label && !label.id) label.id = `${id}-label`
  let inSource = false, toolbar

  const write = html => {
    if (textarea.value === html) return
    textarea.value = html
    textarea.dispatchEvent(new Event('input', { bubbles: true }))
  }
  const fail = message => { if (window.stoa) window.stoa.toast(message, 'bad'); else console.warn(message) }
  const insertFigure = (image, at) => {
    const img = { type: 'imageBlock', attrs: { src: image.url, alt: image.alt || '', width: image.width || null, height: image.height || null } }
    const content = [img]
    if (image.caption) content.push({ type: 'figcaption', content: [{ type: 'text', text: image.caption }] })
    const chain = editor.chain().focus(), figure = { type: 'figure', content }
    if (at === undefined) chain.insertContent(figure).run(); else chain.insertContentAt(at, figure).run()
  }
  const options = {
    words, id, insertFigure, form: textarea.form,
    uploadURL: textarea.dataset.uploadUrl || '', imagesURL: textarea.dataset.imagesUrl || '',
    linksURL: textarea.dataset.linksUrl || document.body.dataset.linksUrl || '',
    inSource: () => inSource, toggleSource,
  }
  const takeFiles = (files, at) => {
    const images = Array.from(files).filter(f => f.type.startsWith('image/'))
    if (!images.length || !options.uploadURL) return false
    images.reduce((before, file) => before.then(() => upload(options, file)).then(image => insertFigure(image, at), err => fail(err.message)), Promise.resolve())
    return true
  }

  const attributes = { id, class: 'rte-text prose', role: 'textbox', 'aria-multiline': 'true', translate: 'no' }
  if (label) attributes['aria-labelledby'] = label.id
  for (const name of ['aria-describedby', 'aria-invalid', 'aria-label', 'lang', 'dir']) if (textarea.getAttribute(name)) attributes[name] = textarea.getAttribute(name)
  if (textarea.required) { attributes['aria-required'] = 'true'; textarea.required = false } // a hidden field could not say what is missing

  const editor = new Editor({
    element: surface,
    injectCSS: false,
    extensions: extensions(words, textarea.placeholder || words.placeholder),
    content: textarea.value,
    editable: !textarea.disabled && !textarea.readOnly,
    editorProps: {
      attributes,
      // The bars lie over the text: what is typed stays clear of them.
      scrollThreshold: { top: 8, right: 0, bottom: 64, left: 0 },
      scrollMargin: { top: 16, right: 0, bottom: 72, left: 0 },
      transformPastedHTML: cleanPaste,
      handlePaste(view, event) {
        const data = event.clipboardData
        if (data && data.files.length && !data.getData('text/html')) return takeFiles(data.files)
        const text = data ? data.getData('text/plain').trim() : ''
        if (/^https?:\/\/\S+$/.test(text) && !view.state.selection.empty && !view.state.selection.node) return editor.commands.setMark('link', { href: text })
        return false
      },
      handleDrop(view, event, slice, moved) {
        if (moved || !event.dataTransfer || !event.dataTransfer.files.length) return false
        const at = view.posAtCoords({ left: event.clientX, top: event.clientY })
        return takeFiles(event.dataTransfer.files, at ? at.pos : undefined)
      },
      handleKeyDown(view, event) {
        if (event.altKey && event.key === 'F10') { toolbar.focus(); return true }
        if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'k') { event.preventDefault(); toolbar.openLink(); return true }
        return false
      },
    },
    onUpdate: ({ editor }) => write(serialize(editor.state.doc)),
    onTransaction: ({ transaction }) => {
      if (!toolbar) return
      toolbar.update()
      if (transaction.selectionSet || transaction.docChanged) toolbar.reveal()
    },
    onFocus: () => box.classList.add('is-focused'),
    onBlur: () => box.classList.remove('is-focused'),
  })

  function toggleSource() {
    inSource = !inSource
    if (inSource) {
      textarea.rows = Math.min(30, Math.max(12, textarea.value.split('\n').length + 2))
    } else {
      editor.commands.setContent(textarea.value, { emitUpdate: false })
    }
    textarea.hidden = !inSource
    surface.hidden = inSource
    toolbar.update()
    if (inSource) textarea.focus(); else editor.commands.focus()
  }

  toolbar = new Toolbar(editor, options)
  textarea.before(box)
  // The bar for tables, images and links stands below, so that the text does not jump when it comes and goes.
  box.append(toolbar.el, surface, textarea, toolbar.context)
  const saves = textarea.form && textarea.form.querySelector('.save-bar')
  if (saves) toolbar.standOn(saves)
  textarea.classList.add('rte-source')
  textarea.setAttribute('spellcheck', 'false')
  textarea.hidden = true
  if (label) label.addEventListener('click', e => { if (!inSource) { e.preventDefault(); editor.view.focus() } })
  if (textarea.form) textarea.form.addEventListener('reset', () => setTimeout(() => editor.commands.setContent(textarea.value, { emitUpdate: false })))
  // Someone else may set the value (a restored version, a translation): take it over.
  textarea.addEventListener('editor:set', () => editor.commands.setContent(textarea.value, { emitUpdate: false }))
  toolbar.update()
  editors.set(textarea, editor)
}

const editors = new WeakMap()

function enhanceAll(root) {
  if (root.matches && root.matches('textarea[data-editor]')) enhance(root)
  root.querySelectorAll('textarea[data-editor]').forEach(enhance)
}
enhanceAll(document)
document.body.addEventListener('htmx:load', e => enhanceAll(e.detail.elt))
// Rows added to a form announce themselves with a change of the form.
document.addEventListener('change', e => { if (e.target instanceof HTMLFormElement) enhanceAll(e.target) })

export { enhanceAll, serialize, editors }
