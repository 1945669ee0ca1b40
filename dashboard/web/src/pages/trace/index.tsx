import { useState } from 'react'
import { del, path, put, url } from '../../api/client'
import { every, useAct, useGet } from '../../api/hooks'
import { Button } from '../../components/Button'
import { Confirm } from '../../components/Dialog'
import { Icon } from '../../components/Icon'
import { Card, Page } from '../../components/Page'
import { Tag, Time } from '../../components/Small'
import { Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { bytes, count } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { Log } from './Log'
import { Start } from './Start'
import { text } from './text'

export type Type = 'clientid' | 'topic' | 'ip_address'

type Trace = {
  name: string
  type: Type
  start_at: string
  end_at: string
  status: 'running' | 'waiting' | 'stopped'
  /** Bytes by node. */
  log_size: Record<string, number>
  lost?: number
} & { [t in Type]?: string }

const moods = { running: 'good', waiting: 'info', stopped: 'plain' } as const

export default function Traces() {
  const t = useText(text)
  const list = useGet<Trace[]>('/trace', { refresh: every.live })
  const [starting, start] = useState(false)
  const [shown, show] = useState<string>()
  const [removing, remove] = useState<string>()
  const stop = useAct((name: string) => put(path`/trace/${name}/stop`, { enable: false, name }), { done: t.stopDone, stale: ['/trace'] })

  const columns: Column<Trace>[] = [
    { id: 'name', head: t.name, cell: (r) => r.name, sort: (r) => r.name },
    { id: 'status', head: t.status, cell: (r) => <Tag mood={moods[r.status]}>{t[r.status]}</Tag> },
    {
      id: 'of',
      head: t.type,
      cell: (r) => (
        <>
          {t[r.type]} <code>{r[r.type]}</code>
        </>
      ),
    },
    { id: 'size', head: t.size, kind: 'number', cell: (r) => bytes(Object.values(r.log_size).reduce((a, b) => a + b, 0)), wideOnly: true },
    { id: 'lost', head: t.lost, kind: 'number', cell: (r) => count(r.lost ?? 0), wideOnly: true },
    { id: 'until', head: t.until, cell: (r) => <Time ms={Date.parse(r.end_at)} />, wideOnly: true },
    {
      id: 'act',
      head: '',
      kind: 'actions',
      cell: (r) => (
        <>
          {r.status !== 'stopped' && <Button look="ghost" small write icon="stop" title={t.stop} aria-label={`${t.stop}: ${r.name}`} onClick={() => stop.mutate(r.name)} />}
          <Button look="ghost" small aria-label={`${t.view}: ${r.name}`} onClick={() => show(r.name)}>
            {t.view}
          </Button>
          <a className="button ghost small icon-only" href={url(path`/trace/${r.name}/download`)} download title={t.download} aria-label={`${t.download}: ${r.name}`}>
            <Icon name="download" size={16} />
          </a>
          <Button look="ghost" small write icon="trash" title={t.remove} aria-label={`${t.remove}: ${r.name}`} onClick={() => remove(r.name)} />
        </>
      ),
    },
  ]
  return (
    <Page
      title={t.title}
      lead={t.lead}
      actions={
        <Button look="primary" write icon="plus" onClick={() => start(true)}>
          {t.start}
        </Button>
      }
    >
      <Card flush>
        <Loaded query={list}>{({ data }) => <Table caption={t.title} columns={columns} rows={data} rowKey={(r) => r.name} empty={t.none} />}</Loaded>
      </Card>
      {shown !== undefined && <Log key={shown} name={shown} nodes={Object.keys(list.data?.data.find((r) => r.name === shown)?.log_size ?? {})} onClose={() => show(undefined)} />}
      {starting && <Start onClose={() => start(false)} />}
      {removing !== undefined && (
        <Confirm
          title={t.removeTitle(removing)}
          submit={t.remove}
          act={() => del(path`/trace/${removing}`)}
          done={t.removed}
          stale={['/trace']}
          onDone={() => shown === removing && show(undefined)}
          onClose={() => remove(undefined)}
        >
          {t.removeText}
        </Confirm>
      )}
    </Page>
  )
}
