// Bundles the editor into look/assets/vendor/editor.js and writes the licences of everything that went into it.
import { build } from 'esbuild'
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const out = resolve(here, '../../look/assets/vendor')

const result = await build({
  absWorkingDir: here,
  entryPoints: ['src/main.js'],
  outfile: join(out, 'editor.js'),
  bundle: true,
  minify: true,
  format: 'iife',
  globalName: 'stoaEditor',
  target: ['es2020'],
  legalComments: 'none',
  charset: 'utf8',
  metafile: true,
  banner: { js: '/* Rich-text editor of Stoa, built from tools/editor. Licences: editor.LICENSES.txt */' },
})

const packages = new Set()
for (const file of Object.keys(result.metafile.inputs)) {
  const m = file.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)
  if (m) packages.add(m[1])
}
let text = 'editor.js contains the following packages, each under the licence printed with it.\n'
for (const name of [...packages].sort()) {
  const dir = join(here, 'node_modules', name)
  const info = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
  const file = readdirSync(dir).find(f => /^licen[cs]e/i.test(f))
  let licence = file ? readFileSync(join(dir, file), 'utf8').trim() : ''
  if (!licence) {
    // Tiptap's packages share the licence of their common repository and ship no copy.
    const core = join(here, 'node_modules/@tiptap/core')
    const shared = readdirSync(core).find(f => /^licen[cs]e/i.test(f))
    licence = name.startsWith('@tiptap/') && shared ? readFileSync(join(core, shared), 'utf8').trim() : ''
  }
  if (!licence && name.startsWith('@tiptap/') && existsSync(join(here, 'tiptap.LICENSE.txt'))) licence = readFileSync(join(here, 'tiptap.LICENSE.txt'), 'utf8').trim()
  if (info.license !== 'MIT' || !licence) throw new Error(`${name}: licence ${info.license}, text ${licence ? 'found' : 'missing'}: look at it before shipping`)
  text += `\n${'-'.repeat(78)}\n${name} ${info.version} (${info.license})\n\n${licence}\n`
}
writeFileSync(join(out, 'editor.LICENSES.txt'), text)
console.log(`editor.js ${statSync(join(out, 'editor.js')).size} bytes, ${packages.size} packages`)
