// Uploading images and choosing from those the site has.
import { icon, make } from './dom.js'

function token(form) {
  const meta = document.querySelector('meta[name="csrf-token"]'), field = form && form.querySelector('input[name="csrf"], input[name="csrf_token"]')
  return (meta && meta.content) || (field && field.value) || ''
}

// send is fetch that names the person whose screen it is and, where the screen can, signs in again.
function send(url, init) {
  return window.stoa && window.stoa.call ? window.stoa.call(url, init) : fetch(url, { credentials: 'same-origin', ...init })
}

// upload posts one file as multipart field "file" and resolves to {url, alt, width, height}. It rejects with an Error
// whose message may be shown.
export async function upload(options, file) {
  const data = new FormData()
  data.append('file', file, file.name)
  const headers = { Accept: 'application/json' }, secret = token(options.form)
  if (secret) headers['X-CSRF-Token'] = secret
  let response, answer = {}
  try {
    response = await send(options.uploadURL, { method: 'POST', body: data, headers })
  } catch {
    throw new Error(options.words.failed)
  }
  try { answer = await response.json() } catch { /* not JSON: the status tells */ }
  if (!response.ok || !answer.url) throw new Error(answer.message || answer.error || options.words.failed)
  return answer
}

// openImageDialog asks for an image and calls insert({url, alt, caption, width, height}).
export function openImageDialog(options, insert) {
  const words = options.words
  let chosen = null, next = '', asked = 0
  const status = make('p', { class: 'hint', role: 'status' })
  const grid = make('div', { class: 'rte-grid' })
  const more = make('button', { type: 'button', class: 'button button--small', text: words.more, hidden: true, onclick: () => list(false) })
  const alt = make('input', { class: 'input', id: 'rte-alt' }), caption = make('input', { class: 'input', id: 'rte-caption' })
  const ok = make('button', { type: 'submit', class: 'button button--primary', text: words.insert, disabled: true })
  const search = make('input', { class: 'input', type: 'search', placeholder: words.search, 'aria-label': words.search })
  const file = make('input', { type: 'file', accept: 'image/*', id: 'rte-file' })

  function choose(item, button) {
    chosen = item
    ok.disabled = false
    grid.querySelectorAll('[aria-pressed=true]').forEach(b => b.setAttribute('aria-pressed', 'false'))
    if (button) button.setAttribute('aria-pressed', 'true')
    if (item.alt && !alt.value) alt.value = item.alt
  }
  function card(item) {
    const button = make('button', { type: 'button', class: 'rte-pick', 'aria-pressed': 'false', title: item.name || '', onclick: () => choose(item, button) },
      make('img', { src: item.thumb || item.url, alt: '', loading: 'lazy' }), make('span', { text: item.name || item.url }))
    return button
  }
  async function list(fresh) {
    const mine = ++asked
    if (fresh) { next = ''; grid.replaceChildren() }
    const url = new URL(options.imagesURL, location.href)
    if (search.value) url.searchParams.set('q', search.value)
    if (next) url.searchParams.set('after', next)
    try {
      const response = await fetch(url, { headers: { Accept: 'application/json' }, credentials: 'same-origin' })
      if (!response.ok) throw new Error(String(response.status))
      const answer = await response.json()
      if (mine !== asked) return
      grid.append(...(answer.items || []).map(card))
      next = answer.next || ''
      more.hidden = !next
      status.textContent = grid.children.length ? '' : words.nothing
    } catch {
      if (mine === asked) status.textContent = words.failed
    }
  }
  let waiting
  search.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(() => list(true), 250) })
  search.addEventListener('keydown', e => { if (e.key === 'Enter') e.preventDefault() })
  file.addEventListener('change', async () => {
    if (!file.files.length) return
    status.textContent = `${words.uploading}: ${file.files[0].name}`
    try {
      const item = await upload(options, file.files[0])
      item.name = item.name || file.files[0].name
      const button = card(item)
      grid.prepend(button)
      choose(item, button)
      status.textContent = ''
      alt.focus()
    } catch (err) {
      status.textContent = err.message
    }
  })

  const dialog = make('dialog', { class: 'dialog dialog--wide rte-dialog', 'aria-labelledby': 'rte-dialog-title' })
  const form = make('form', { method: 'dialog' },
    make('div', { class: 'dialog__head' }, make('h2', { class: 'dialog__title', id: 'rte-dialog-title', text: words.image }),
      make('button', { type: 'button', class: 'button button--quiet button--icon button--small', 'aria-label': words.close, onclick: () => dialog.close() }, icon('close'))),
    make('div', { class: 'dialog__body' },
      options.uploadURL && make('div', { class: 'field' }, make('label', { class: 'field__label', for: 'rte-file', text: words.upload }), file),
      options.imagesURL && make('div', { class: 'field' }, make('span', { class: 'field__label', text: words.choose }), search),
      status, grid, more,
      make('div', { class: 'form__pair' },
        make('div', { class: 'field' }, make('label', { class: 'field__label', for: 'rte-alt', text: words.alt }), alt, make('p', { class: 'field__help', text: words.altHelp })),
        make('div', { class: 'field' }, make('label', { class: 'field__label', for: 'rte-caption', text: words.caption }), caption))),
    make('div', { class: 'dialog__foot' }, make('button', { type: 'button', class: 'button', text: words.cancel, onclick: () => dialog.close() }), ok))
  form.addEventListener('submit', e => {
    e.preventDefault()
    e.stopPropagation()
    if (!chosen) return
    dialog.close()
    insert({ ...chosen, alt: alt.value, caption: caption.value })
  })
  dialog.append(form)
  dialog.addEventListener('close', () => dialog.remove())
  document.body.append(dialog)
  dialog.showModal()
  if (options.imagesURL) list(true)
}

