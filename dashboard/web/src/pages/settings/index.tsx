import { useState } from 'react'
import { del, path, put } from '../../api/client'
import { useAct } from '../../api/hooks'
import { useParams } from '../../app/router'
import { Button } from '../../components/Button'
import { ActDialog } from '../../components/Dialog'
import { Input, Search } from '../../components/Field'
import { Card, Page } from '../../components/Page'
import { Tag } from '../../components/Small'
import { ServerTable, type Column } from '../../components/Table'
import { none } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { text } from './text'

interface Setting {
  key: string
  value: string
  default: string
  origin: 'default' | 'file' | 'env' | 'override'
  /** The file with its line, or the variable. */
  where: string
  live: boolean
  doc: string
  type: string
  secret: boolean
}

const moods = { default: 'plain', file: 'info', env: 'info', override: 'warn' } as const

export default function Settings() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const [changing, change] = useState<Setting>()
  const like = params.get('_like_key') ?? ''
  const changed = params.get('changed') === 'true'
  const reset = useAct((key: string) => del(path`/configs/${key}`), { done: t.resetDone, stale: ['/configs'] })

  const columns: Column<Setting>[] = [
    {
      id: 'key',
      head: t.key,
      cell: (s) => (
        <>
          <code>{s.key}</code>
          {s.doc && <small className="doc">{s.doc}</small>}
        </>
      ),
    },
    { id: 'value', head: t.value, cell: (s) => (s.secret ? <span className="muted">{t.hidden}</span> : <code>{s.value || none}</code>) },
    {
      id: 'origin',
      head: t.origin,
      cell: (s) => (
        <span title={s.where || undefined}>
          <Tag mood={moods[s.origin]}>{t[s.origin]}</Tag> <small className="muted wide-only">{s.where}</small>
        </span>
      ),
    },
    { id: 'when', head: t.when, cell: (s) => (s.live ? <Tag mood="good">{t.live}</Tag> : <span className="muted">{t.restart}</span>), wideOnly: true },
    {
      id: 'act',
      head: '',
      kind: 'actions',
      cell: (s) => (
        <>
          {s.origin === 'override' && (
            <Button look="ghost" small write icon="refresh" title={t.reset} aria-label={`${t.reset}: ${s.key}`} onClick={() => reset.mutate(s.key)} />
          )}
          {s.live && <Button look="ghost" small write icon="edit" title={t.change} aria-label={t.changing(s.key)} onClick={() => change(s)} />}
        </>
      ),
    },
  ]
  return (
    <Page title={t.title} lead={t.lead}>
      <Card flush>
        <div className="toolbar">
          <Search label={t.search} value={like} onChange={(v) => setParams({ _like_key: v, page: undefined })} />
          <label className="inline">
            <input type="checkbox" checked={changed} onChange={(e) => setParams({ changed: e.target.checked ? 'true' : undefined, page: undefined })} />
            {t.onlyChanged}
          </label>
        </div>
        <ServerTable
          route="/configs"
          query={{ _like_key: like, changed: changed || undefined }}
          caption={t.title}
          columns={columns}
          rowKey={(s) => s.key}
          empty={t.none}
        />
      </Card>
      {changing && <Change setting={changing} onClose={() => change(undefined)} />}
    </Page>
  )
}

function Change({ setting: s, onClose }: { setting: Setting; onClose: () => void }) {
  const t = useText(text)
  const [value, setValue] = useState(s.secret ? '' : s.value)
  return (
    <ActDialog title={t.changing(s.key)} submit={t.save} act={() => put('/configs', { [s.key]: value })} done={t.saved} stale={['/configs']} onClose={onClose}>
      {s.doc && <p>{s.doc}</p>}
      <Input label={`${t.value} (${s.type})`} value={value} onChange={setValue} autoFocus hint={s.default ? t.defaultIs(s.default) : t.noDefault} />
      <p className="muted">{t.kept}</p>
    </ActDialog>
  )
}
