export interface Connection {
  endpoint: string;
  region: string;
  bucket: string;
  /** A real key when one was just made; else words that say what belongs there. */
  accessKeyId: string;
  secretAccessKey: string;
}

export interface Snippet {
  id: string;
  title: string;
  language: "sh" | "ini" | "py" | "ts";
  code: string;
}

/** Ready to paste; each was tried with the program it is for. */
export function snippets({ endpoint, region, bucket, accessKeyId, secretAccessKey }: Connection): Snippet[] {
  const host = endpoint.replace(/^https?:\/\//, "");
  const secure = endpoint.startsWith("https:");
  return [
    {
      id: "aws",
      title: "AWS CLI",
      language: "sh",
      code: `export AWS_ACCESS_KEY_ID=${accessKeyId}
export AWS_SECRET_ACCESS_KEY=${secretAccessKey}
export AWS_DEFAULT_REGION=${region}

aws --endpoint-url ${endpoint} s3 cp report.pdf s3://${bucket}/
aws --endpoint-url ${endpoint} s3 ls s3://${bucket}/
aws --endpoint-url ${endpoint} s3 sync ./photos s3://${bucket}/photos/`,
    },
    {
      id: "s3cmd",
      title: "s3cmd",
      language: "sh",
      code: `cat > ~/.s3cfg <<'END'
[default]
access_key = ${accessKeyId}
secret_key = ${secretAccessKey}
host_base = ${host}
host_bucket = ${host}
bucket_location = ${region}
use_https = ${secure ? "True" : "False"}
END

s3cmd put report.pdf s3://${bucket}/
s3cmd ls s3://${bucket}/`,
    },
    {
      id: "rclone",
      title: "rclone",
      language: "sh",
      code: `cat >> ~/.config/rclone/rclone.conf <<'END'
[khmara]
type = s3
provider = Other
endpoint = ${endpoint}
region = ${region}
access_key_id = ${accessKeyId}
secret_access_key = ${secretAccessKey}
END

rclone copy ./photos khmara:${bucket}/photos --progress
rclone mount khmara:${bucket} ~/cloud --vfs-cache-mode writes`,
    },
    {
      id: "boto3",
      title: "Python",
      language: "py",
      code: `import boto3

s3 = boto3.client(
    "s3",
    endpoint_url="${endpoint}",
    region_name="${region}",
    aws_access_key_id="${accessKeyId}",
    aws_secret_access_key="${secretAccessKey}",
)

s3.upload_file("report.pdf", "${bucket}", "report.pdf")
for item in s3.list_objects_v2(Bucket="${bucket}").get("Contents", []):
    print(item["Key"], item["Size"])`,
    },
    {
      id: "sdk",
      title: "JavaScript",
      language: "ts",
      code: `import { readFile } from "node:fs/promises";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const s3 = new S3Client({
  endpoint: "${endpoint}",
  region: "${region}",
  forcePathStyle: true,
  credentials: {
    accessKeyId: "${accessKeyId}",
    secretAccessKey: "${secretAccessKey}",
  },
});

await s3.send(new PutObjectCommand({
  Bucket: "${bucket}",
  Key: "report.pdf",
  Body: await readFile("report.pdf"),
}));`,
    },
    {
      id: "khmara",
      title: "khmara",
      language: "sh",
      code: `khmara login
khmara object upload --bucket ${bucket} --key report.pdf report.pdf
khmara object list --bucket ${bucket}`,
    },
  ];
}
