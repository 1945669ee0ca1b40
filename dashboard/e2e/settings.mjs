// Settings: where they come from, and those that change at once.
import { scenario } from './harness.mjs'

await scenario({ settings: { 'mqtt.max_qos_allowed': '1' } }, async ({ page, login, open, shot }) => {
  const dialog = page.getByRole('dialog')
  await login()
  await open('Settings')
  await page.getByRole('searchbox', { name: 'Key contains…' }).fill('max_qos_allowed')
  const row = page.locator('tbody tr', { hasText: 'mqtt.max_qos_allowed' })
  await row.getByText('environment').waitFor()
  await page.getByRole('searchbox', { name: 'Key contains…' }).fill('acl_deny_action')
  await page.getByRole('button', { name: 'Change acl_deny_action' }).click()
  await dialog.getByLabel(/^Value/).fill('explode')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await dialog.getByRole('alert').waitFor()
  await dialog.getByLabel(/^Value/).fill('disconnect')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await page.getByText('changed here').waitFor()
  await shot('settings')
  await page.getByRole('button', { name: 'Undo the change: acl_deny_action' }).click()
  await page.getByText('changed here').waitFor({ state: 'hidden' })
})
