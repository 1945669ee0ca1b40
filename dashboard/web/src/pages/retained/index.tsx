import { useState } from 'react'
import { del, path } from '../../api/client'
import { every, useGet } from '../../api/hooks'
import { useParams } from '../../app/router'
import { Button } from '../../components/Button'
import { Confirm, Dialog } from '../../components/Dialog'
import { Search } from '../../components/Field'
import { Card, Facts, Page } from '../../components/Page'
import { Payload } from '../../components/Payload'
import { Time } from '../../components/Small'
import { Loaded } from '../../components/States'
import { ServerTable, type Column } from '../../components/Table'
import { bytes } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { text } from './text'

interface Row {
  topic: string
  qos: number
  size: number
  at: number
  expires_at: number | null
}

interface Message extends Row {
  payload: string
  properties: Record<string, unknown>
}

export default function Retained() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const [shown, show] = useState<string>()
  const [removing, remove] = useState<string>()
  const like = params.get('_like_topic') ?? ''
  const match = params.get('_match_topic') ?? ''

  const columns: Column<Row>[] = [
    { id: 'topic', head: t.topic, cell: (m) => <code>{m.topic}</code> },
    { id: 'qos', head: t.qos, kind: 'number', cell: (m) => m.qos },
    { id: 'size', head: t.size, kind: 'number', cell: (m) => bytes(m.size) },
    { id: 'at', head: t.at, cell: (m) => <Time ms={m.at} />, wideOnly: true },
    { id: 'expires', head: t.expires, cell: (m) => (m.expires_at === null ? t.never : <Time ms={m.expires_at} />), wideOnly: true },
    {
      id: 'act',
      head: '',
      kind: 'actions',
      cell: (m) => (
        <>
          <Button look="ghost" small aria-label={`${t.show}: ${m.topic}`} onClick={() => show(m.topic)}>
            {t.show}
          </Button>
          <Button look="ghost" small write icon="trash" title={t.remove} aria-label={`${t.remove}: ${m.topic}`} onClick={() => remove(m.topic)} />
        </>
      ),
    },
  ]

  return (
    <Page title={t.title} lead={t.lead}>
      <Card flush>
        <div className="toolbar">
          <Search label={t.match} value={match} onChange={(v) => setParams({ _match_topic: v, page: undefined })} />
          <Search label={t.like} value={like} onChange={(v) => setParams({ _like_topic: v, page: undefined })} />
        </div>
        <ServerTable
          route="/retained"
          query={{ _like_topic: like, _match_topic: match }}
          refresh={every.slow}
          caption={t.title}
          columns={columns}
          rowKey={(m) => m.topic}
          empty={t.none}
        />
      </Card>
      {shown !== undefined && <One topic={shown} onClose={() => show(undefined)} />}
      {removing !== undefined && (
        <Confirm title={t.removeTitle} submit={t.remove} act={() => del(path`/retained/${removing}`)} done={t.removed} stale={['/retained']} onClose={() => remove(undefined)}>
          {t.removeText(removing)}
        </Confirm>
      )}
    </Page>
  )
}

function One({ topic, onClose }: { topic: string; onClose: () => void }) {
  const t = useText(text)
  const message = useGet<Message>(path`/retained/${topic}`)
  return (
    <Dialog title={topic} onClose={onClose} wide>
      <Loaded query={message}>
        {({ data: m }) => (
          <>
            <Facts
              items={[
                [t.qos, m.qos],
                [t.size, bytes(m.size)],
                [t.at, <Time ms={m.at} exact />],
                [t.expires, m.expires_at === null ? t.never : <Time ms={m.expires_at} exact />],
              ]}
            />
            {Object.keys(m.properties).length > 0 && (
              <>
                <h3>{t.properties}</h3>
                <pre>{JSON.stringify(m.properties, null, 2)}</pre>
              </>
            )}
            <h3>{t.payload}</h3>
            <Payload base64={m.payload} whole />
          </>
        )}
      </Loaded>
    </Dialog>
  )
}
