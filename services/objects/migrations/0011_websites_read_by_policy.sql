-- A website shows what everybody may read, no longer whatever lies in its bucket: the policy that says so is written for those that are published.
-- Where public access is blocked, by the bucket or its organisation, none is, and the site answers 403.
with published as (
  select w.bucket_id, w.organisation_id, jsonb_build_array(jsonb_build_object(
    'Sid', 'EverybodyReadsWebsite', 'Effect', 'Allow', 'Principal', '*', 'Action', 's3:GetObject', 'Resource', 'arn:aws:s3:::' || b.name || '/*'
  )) as reads
  from objects.websites w join objects.buckets b on b.id = w.bucket_id
  where not w.configuration ? 'redirectAllTo'
    and not exists (select 1 from objects.organisation_access a where a.organisation_id = w.organisation_id and a.public_blocked)
    and not exists (
      select 1 from objects.configurations c where c.bucket_id = w.bucket_id and c.kind = 'publicAccessBlock'
        and ((c.document ->> 'blockPublicPolicy')::boolean or (c.document ->> 'restrictPublicBuckets')::boolean)
    )
), written as (
  select p.*, (c.document ->> 'text')::jsonb as policy
  from published p left join objects.configurations c on c.bucket_id = p.bucket_id and c.kind = 'policy'
), listed as (
  select *, case jsonb_typeof(policy -> 'Statement') when 'array' then policy -> 'Statement' else jsonb_build_array(policy -> 'Statement') end as statements
  from written
)
insert into objects.configurations (bucket_id, kind, organisation_id, document)
select bucket_id, 'policy', organisation_id, jsonb_build_object('text', jsonb_pretty(case
  when policy is null then jsonb_build_object('Version', '2012-10-17', 'Statement', reads)
  else jsonb_set(policy, '{Statement}', statements || reads)
end))
from listed
where policy is null or not statements @> jsonb_build_array((reads -> 0) - 'Sid')
on conflict (bucket_id, kind) do update set document = excluded.document;
