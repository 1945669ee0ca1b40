// Users with roles, and API keys whose secret is shown once.
import assert from 'node:assert/strict'
import { scenario } from './harness.mjs'

await scenario({ settings: { 'management.listener.http': '127.0.0.1:0' } }, async ({ page, broker, login, open, see, shot }) => {
  await login()
  await open('Users and API keys')
  await page.getByRole('button', { name: 'Delete admin' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click()
  await see('The last administrator has to stay.')
  await page.keyboard.press('Escape')

  const dialog = page.getByRole('dialog')
  await page.getByRole('button', { name: 'Add user' }).click()
  await dialog.getByLabel('User name').fill('maria')
  await dialog.getByLabel('Password', { exact: true }).fill('a password')
  await dialog.getByLabel('Has to choose another one').uncheck()
  await shot('add')
  await dialog.getByRole('button', { name: 'Add user' }).click()
  await see('maria can log in.')
  await page.getByRole('row', { name: /maria/ }).getByText('Viewer').waitFor()

  await page.getByRole('tab', { name: 'API keys' }).click()
  await page.getByRole('button', { name: 'Add API key' }).click()
  await dialog.getByLabel('Key').fill('historian')
  await dialog.getByLabel('Description').fill('writes what comes in to a database')
  await dialog.getByRole('button', { name: 'Add API key' }).click()
  await page.getByRole('heading', { name: 'The secret of historian' }).waitFor()
  const secret = await dialog.locator('code').innerText()
  await shot('secret')
  await dialog.getByRole('button', { name: 'Close' }).last().click()
  assert.equal(await asApp(broker, secret), 200)

  await page.getByRole('button', { name: 'Edit historian' }).click()
  await dialog.getByLabel('May be used').uncheck()
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('row', { name: /historian/ }).getByText('off', { exact: true }).waitFor()
  assert.equal(await asApp(broker, secret), 401)
  await page.getByRole('button', { name: 'Delete historian' }).click()
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByRole('row', { name: /historian/ }).waitFor({ state: 'detached' })

  // A viewer sees the same pages, with what changes something switched off.
  await page.getByRole('button', { name: 'Log out' }).click()
  await login('maria', 'a password')
  await open('Backup')
  const write = page.getByRole('button', { name: 'Export now' })
  assert.ok(await write.isDisabled())
  assert.match((await write.getAttribute('title')) ?? '', /administrator/)
  await shot('viewer')
})

/** The status that a key gets at the port for programs. */
async function asApp(broker, secret) {
  const response = await fetch(`${broker.management}/api/v4/brokers`, {
    headers: { Authorization: `Basic ${Buffer.from(`historian:${secret}`).toString('base64')}` },
  })
  return response.status
}
