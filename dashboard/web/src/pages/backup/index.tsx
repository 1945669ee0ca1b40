import { useRef, useState } from 'react'
import { del, path, post } from '../../api/client'
import { useAct, useGet } from '../../api/hooks'
import { useMayWrite } from '../../app/session'
import { Button } from '../../components/Button'
import { Confirm } from '../../components/Dialog'
import { Card, Page } from '../../components/Page'
import { Empty, Loaded } from '../../components/States'
import { Table, type Column } from '../../components/Table'
import { bytes } from '../../i18n/format'
import { useText } from '../../i18n/i18n'
import { download, type ExportFile, type Source } from './data'
import { Import } from './Import'
import { text } from './text'

type Doing = { what: 'delete'; file: string } | { what: 'import'; source: Source }

/** Files of exports: written, downloaded, imported. */
export default function Backup() {
  const t = useText(text)
  const picker = useRef<HTMLInputElement>(null)
  const mayWrite = useMayWrite()
  const [doing, setDoing] = useState<Doing>()
  const files = useGet<ExportFile[]>('/data/export')
  const write = useAct(() => post<ExportFile>('/data/export'), { done: (a) => t.exported(a.data.filename), stale: ['/data/export'] })
  const fetchFile = useAct(download)
  const columns: Column<ExportFile>[] = [
    { id: 'file', head: t.file, sort: (f) => f.filename, cell: (f) => f.filename },
    { id: 'size', head: t.size, kind: 'number', sort: (f) => f.size, cell: (f) => bytes(f.size) },
    { id: 'created', head: t.created, wideOnly: true, cell: (f) => f.created_at },
    { id: 'node', head: t.node, wideOnly: true, cell: (f) => f.node },
    {
      id: 'do',
      head: '',
      kind: 'actions',
      cell: (f) => (
        <>
          <Button small look="ghost" icon="download" write title={t.download} aria-label={`${t.download}: ${f.filename}`} onClick={() => fetchFile.mutate(f.filename)} />
          <Button small look="ghost" icon="upload" write title={t.import} aria-label={`${t.import}: ${f.filename}`} onClick={() => setDoing({ what: 'import', source: { name: f.filename } })} />
          <Button small look="ghost" icon="trash" write title={t.delete} aria-label={`${t.delete}: ${f.filename}`} onClick={() => setDoing({ what: 'delete', file: f.filename })} />
        </>
      ),
    },
  ]
  const pick = (file: File | undefined) => {
    if (file) setDoing({ what: 'import', source: { name: file.name, content: file } })
    if (picker.current) picker.current.value = '' // so that the same file can be chosen again
  }
  const close = () => setDoing(undefined)
  return (
    <Page
      title={t.title}
      lead={t.lead}
      actions={
        <>
          <input ref={picker} type="file" accept=".json,application/json" hidden disabled={!mayWrite} aria-label={t.upload} onChange={(e) => pick(e.target.files?.[0])} />
          <Button icon="upload" write onClick={() => picker.current?.click()}>
            {t.upload}
          </Button>
          <Button look="primary" icon="download" write busy={write.isPending} onClick={() => write.mutate(undefined)}>
            {t.export}
          </Button>
        </>
      }
    >
      <Card flush title={t.files}>
        <Loaded query={files}>
          {({ data }) => <Table caption={t.files} columns={columns} rows={data.toReversed()} rowKey={(f) => `${f.node} ${f.filename}`} empty={<Empty icon="backup">{t.none}</Empty>} />}
        </Loaded>
      </Card>
      {doing?.what === 'import' && <Import source={doing.source} onClose={close} />}
      {doing?.what === 'delete' && (
        <Confirm title={t.delete} submit={t.delete} act={() => del(path`/data/file/${doing.file}`)} done={t.deleted} stale={['/data/export']} onClose={close}>
          {t.deleteAsk(doing.file)}
        </Confirm>
      )}
    </Page>
  )
}
