import type { Tx } from "../../../../kernel/db/database.ts";

/** Something of a phone system that leads to another: `kind` as in ids (`phoneNumber`), `name` for people. */
export interface Use {
  kind: string;
  name: string;
}

/**
 * What of a phone system uses the thing of this id (an element, an extension, a number, a trunk): wherever its settings name it. Ids are unique over all
 * kinds, so that the text of the settings tells.
 */
export const usesOf = (tx: Tx, systemId: string, id: string, limit: number): Promise<Use[]> => tx.sql<Use[]>`
  select kind, name from (
    select 1 as place, 'phoneSystem' as kind, name, id, settings from voice.systems where id = ${systemId}
    union all select 2, 'phoneNumber', number, id, settings from voice.numbers where system_id = ${systemId}
    union all select 3, 'extension', number || ' ' || name, id, settings from voice.extensions where system_id = ${systemId}
    union all select 4, kind, name, id, settings from voice.elements where system_id = ${systemId}
    union all select 5, 'outboundRoute', name, id, settings from voice.outbound_routes where system_id = ${systemId}
    union all select 6, 'phoneApplication', name, id, fallback from voice.applications where system_id = ${systemId}
    union all select 6, 'phoneApplication', name, id, fallback from voice.applications where system_id = ${systemId}
  ) held where id <> ${id} and position(${id} in settings::text) > 0 order by place, name limit ${limit}`;
