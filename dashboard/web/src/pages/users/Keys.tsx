import { useState } from 'react'
import { del, path, post, put } from '../../api/client'
import { useGet } from '../../api/hooks'
import { Button } from '../../components/Button'
import { ActDialog, Confirm, Dialog } from '../../components/Dialog'
import { Checkbox, Input } from '../../components/Field'
import { Icon } from '../../components/Icon'
import { Card } from '../../components/Page'
import { Code, Tag, Time } from '../../components/Small'
import { Empty, Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { useText } from '../../i18n/i18n'
import { fromDay, hasExpired, toDay } from './expiry'
import { text } from './text'

export interface Key {
  app_id: string
  name: string
  desc: string
  status: boolean
  /** Unix seconds; "undefined": never. */
  expired: number | 'undefined'
}

type Doing = { what: 'add' } | { what: 'edit' | 'delete'; key: Key } | { what: 'secret'; id: string; secret: string }

export function Keys() {
  const t = useText(text)
  const [doing, setDoing] = useState<Doing>()
  const keys = useGet<Key[]>('/apps')
  const columns: Column<Key>[] = [
    { id: 'key', head: t.key, sort: (k) => k.app_id, cell: (k) => <Code copy>{k.app_id}</Code> },
    {
      id: 'name',
      head: t.label,
      wideOnly: true,
      sort: (k) => k.name,
      cell: (k) => (
        <>
          {k.name} <span className="muted">{k.desc}</span>
        </>
      ),
    },
    { id: 'status', head: t.status, cell: (k) => (hasExpired(k, Date.now()) ? <Tag mood="warn">{t.expired}</Tag> : <Tag mood={k.status ? 'good' : 'plain'}>{k.status ? t.on : t.off}</Tag>) },
    { id: 'expires', head: t.expires, wideOnly: true, cell: (k) => (k.expired === 'undefined' ? t.never : <Time ms={k.expired * 1000} exact />) },
    {
      id: 'do',
      head: '',
      kind: 'actions',
      cell: (k) => (
        <>
          <Button small look="ghost" icon="edit" write title={t.edit} aria-label={t.editKey(k.app_id)} onClick={() => setDoing({ what: 'edit', key: k })} />
          <Button small look="ghost" icon="trash" write title={t.delete} aria-label={t.deleteKey(k.app_id)} onClick={() => setDoing({ what: 'delete', key: k })} />
        </>
      ),
    },
  ]
  const close = () => setDoing(undefined)
  return (
    <Card
      flush
      title={t.keys}
      actions={
        <Button small look="primary" icon="plus" write onClick={() => setDoing({ what: 'add' })}>
          {t.addKey}
        </Button>
      }
    >
      <Loaded query={keys}>
        {({ data }) => <Table caption={t.keys} columns={columns} rows={data} rowKey={(k) => k.app_id} empty={<Empty icon="keys">{t.noKeys}</Empty>} />}
      </Loaded>
      {doing?.what === 'add' && <Edit onClose={close} onAdded={(id, secret) => setDoing({ what: 'secret', id, secret })} />}
      {doing?.what === 'edit' && <Edit existing={doing.key} onClose={close} />}
      {doing?.what === 'secret' && (
        <Dialog title={t.secretTitle(doing.id)} onClose={close}>
          <Code copy>{doing.secret}</Code>
          <div className="notice warn">
            <Icon name="warn" />
            <p>{t.secretOnce}</p>
          </div>
        </Dialog>
      )}
      {doing?.what === 'delete' && (
        <Confirm title={t.deleteKey(doing.key.app_id)} submit={t.delete} act={() => del(path`/apps/${doing.key.app_id}`)} done={t.keyDeleted} stale={['/apps']} onClose={close}>
          {t.deleteKeyAsk}
        </Confirm>
      )}
    </Card>
  )
}

/** A new key, or changes of one that exists, whose id and secret stay. */
function Edit({ existing, onAdded, onClose }: { existing?: Key; onAdded?: (id: string, secret: string) => void; onClose: () => void }) {
  const t = useText(text)
  const [app_id, setID] = useState(existing?.app_id ?? '')
  const [secret, setSecret] = useState('')
  const [name, setName] = useState(existing?.name ?? '')
  const [desc, setDesc] = useState(existing?.desc ?? '')
  const [status, setStatus] = useState(existing?.status ?? true)
  const [day, setDay] = useState(existing && existing.expired !== 'undefined' ? toDay(existing.expired) : '')
  const save = async () => {
    const fields = { name, desc, status, expired: fromDay(day) }
    if (existing) return { secret: '', ...(await put(path`/apps/${app_id}`, fields)) }
    return (await post<{ secret: string }>('/apps', { ...fields, app_id, ...(secret && { secret }) })).data
  }
  return (
    <ActDialog
      title={existing ? t.editKey(app_id) : t.addKey}
      submit={existing ? t.save : t.addKey}
      act={save}
      {...(existing && { done: t.keySaved })}
      stale={['/apps']}
      onDone={(answer) => onAdded?.(app_id, answer.secret)}
      onClose={onClose}
    >
      {!existing && <Input label={t.key} hint={t.keyHint} value={app_id} onChange={setID} required autoFocus />}
      {!existing && <Input label={t.secret} hint={t.secretHint} value={secret} onChange={setSecret} />}
      <div className="form-row">
        <Input label={t.label} value={name} onChange={setName} />
        <Input label={t.expires} hint={t.expiryHint} type="date" value={day} onChange={setDay} />
      </div>
      <Input label={t.description} value={desc} onChange={setDesc} />
      <Checkbox label={t.enabled} checked={status} onChange={setStatus} />
    </ActDialog>
  )
}
