import { useState } from 'react'
import { path, put } from '../../api/client'
import { useAct, useGet } from '../../api/hooks'
import { explain } from '../../api/text'
import { useParams } from '../../app/router'
import { Button } from '../../components/Button'
import { Dialog } from '../../components/Dialog'
import { Checkbox, Search } from '../../components/Field'
import { Card, Page, Tabs } from '../../components/Page'
import { Tag } from '../../components/Small'
import { Empty, Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { useText } from '../../i18n/i18n'
import { parts, wanted, type Kind, type Part } from './parts'
import { text } from './text'

/** What EMQ X has as plugins and modules, and whether it is on. */
export default function Plugins() {
  const t = useText(text)
  const [params, setParams] = useParams()
  const kind: Kind = params.get('tab') === 'modules' ? 'modules' : 'plugins'
  const search = params.get('q') ?? ''
  const onlyOn = params.get('on') === '1'
  const answer = useGet<{ node: string; [kind: string]: unknown }[]>(`/${kind}`)
  const [how, setHow] = useState<{ name: string; answer: string }>()
  // The server says which key switches it.
  const ask = useAct(
    async (p: Part) => {
      try {
        await put(path`/nodes/${p.node}/${kind}/${p.name}/${p.active ? 'unload' : 'load'}`)
        return { name: p.name, answer: t.switched }
      } catch (e) {
        return { name: p.name, answer: explain(e) }
      }
    },
    { onDone: setHow, stale: [`/${kind}`] },
  )
  const reload = useAct((p: Part) => put(path`/${kind}/${p.name}/reload`), { done: t.reloaded })
  const columns: Column<Part>[] = [
    { id: 'name', head: t.name, sort: (p) => p.name, cell: (p) => <code>{p.name}</code> },
    { id: 'description', head: t.description, wideOnly: true, cell: (p) => p.description },
    ...(kind === 'plugins' ? [{ id: 'type', head: t.type, wideOnly: true, sort: (p: Part) => p.type ?? '', cell: (p: Part) => p.type }] : []),
    { id: 'status', head: t.status, sort: (p) => (p.active ? 0 : 1), cell: (p) => <Tag mood={p.active ? 'good' : 'plain'}>{p.active ? t.on : t.off}</Tag> },
    {
      id: 'do',
      head: '',
      kind: 'actions',
      cell: (p) => (
        <>
          {p.name === 'emqx_mod_acl_internal' && p.active && (
            <Button small look="ghost" icon="refresh" write busy={reload.isPending} onClick={() => reload.mutate(p)}>
              {t.reload}
            </Button>
          )}
          <Button small look="ghost" write busy={ask.isPending && ask.variables?.name === p.name} onClick={() => ask.mutate(p)}>
            {p.active ? t.howOff : t.howOn}
          </Button>
        </>
      ),
    },
  ]
  return (
    <Page title={t.title} lead={t.lead}>
      <Tabs
        label={t.title}
        value={kind}
        onChange={(to) => setParams({ tab: to === 'plugins' ? undefined : to, q: undefined })}
        options={[
          ['plugins', t.plugins],
          ['modules', t.modules],
        ]}
      />
      <Card flush>
        <div className="toolbar">
          <Search label={t.find} value={search} onChange={(q) => setParams({ q })} />
          <Checkbox label={t.onlyOn} checked={onlyOn} onChange={(on) => setParams({ on: on ? '1' : undefined })} />
        </div>
        <Loaded query={answer}>
          {({ data }) => (
            <Table
              caption={kind === 'plugins' ? t.plugins : t.modules}
              columns={columns}
              rows={wanted(parts(data, kind), search, onlyOn)}
              rowKey={(p) => p.name}
              empty={<Empty icon="search">{t.none}</Empty>}
            />
          )}
        </Loaded>
      </Card>
      {how && (
        <Dialog title={t.howTitle(how.name)} onClose={() => setHow(undefined)}>
          <p>{how.answer}</p>
        </Dialog>
      )}
    </Page>
  )
}
