// Nodes with what they count, plugins with the key that switches them, and
// backups: what is exported comes back by an import that is shown first.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { scenario } from './harness.mjs'

await scenario({}, async ({ page, login, open, client, api, until, see, shot }) => {
  const c = await client('publisher')
  await c.publishAsync('e2e/1', 'on', { qos: 1 })
  await login()

  await open('Nodes')
  await page.getByRole('main').getByRole('link', { name: /^dunlin@/ }).click()
  await page.getByRole('heading', { name: 'Statistics' }).waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('messages.rec')
  const row = page.getByRole('row', { name: 'messages.received', exact: false })
  await until('the message is counted', async () => /messages\.received\s+1$/.test(await row.innerText()))
  await shot('node')

  await open('Plugins')
  await page.getByLabel('Find by name or purpose').fill('mysql')
  await page.getByRole('row', { name: /emqx_retainer/ }).waitFor({ state: 'detached' })
  await page.getByRole('row', { name: /emqx_auth_mysql/ }).getByRole('button', { name: 'How to switch on' }).click()
  await see('auth.mysql.enable')
  await page.keyboard.press('Escape')
  await page.getByRole('tab', { name: 'Modules' }).click()
  await see('emqx_mod_acl_internal')
  await shot('plugins')

  await api('POST', '/auth_username', { username: 'lamp', password: 'secret' })
  await open('Backup')
  await page.getByRole('button', { name: 'Export now' }).click()
  const files = page.getByRole('row', { name: /emqx-export-.*\.json/ })
  await files.waitFor()
  const [download] = await Promise.all([page.waitForEvent('download'), files.getByRole('button', { name: 'Download' }).click()])
  const file = await download.path()
  assert.match(await readFile(file, 'utf8'), /"lamp"/)

  await api('DELETE', '/auth_username/lamp')
  await page.locator('input[type=file]').setInputFiles({ name: 'export.json', mimeType: 'application/json', buffer: await readFile(file) })
  const dialog = page.getByRole('dialog')
  const accounts = dialog.getByRole('row', { name: /Accounts of clients/ })
  await accounts.waitFor()
  assert.match(await accounts.innerText(), /Accounts of clients\s+1\s/)
  assert.deepEqual((await api('GET', '/auth_username')).data, [], 'what was only to be shown was imported')
  await shot('import')
  await dialog.getByRole('button', { name: 'Import' }).click()
  await see('The import is done.')
  assert.equal((await api('GET', '/auth_username')).data[0].username, 'lamp')

  await files.getByRole('button', { name: 'Delete' }).click()
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await see('There is no export yet.')
})
