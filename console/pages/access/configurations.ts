interface Key {
  accessKeyId: string;
  secretAccessKey: string;
  endpoint: string;
  region: string;
}

/** Ready to paste: what each client calls the same four things. */
export const configurations: Record<"aws" | "s3cmd" | "rclone" | "environment", (key: Key) => string> = {
  aws: ({ accessKeyId, secretAccessKey, endpoint, region }) =>
    [
      `aws configure set aws_access_key_id ${accessKeyId} --profile khmara`,
      `aws configure set aws_secret_access_key ${secretAccessKey} --profile khmara`,
      `aws configure set region ${region} --profile khmara`,
      `aws configure set endpoint_url ${endpoint} --profile khmara`,
      "aws --profile khmara s3 ls",
    ].join("\n"),
  s3cmd: ({ accessKeyId, secretAccessKey, endpoint, region }) => {
    const { host, protocol } = new URL(endpoint);
    return [
      "# ~/.s3cfg",
      "[default]",
      `access_key = ${accessKeyId}`,
      `secret_key = ${secretAccessKey}`,
      `host_base = ${host}`,
      `host_bucket = ${host}`,
      `bucket_location = ${region}`,
      `use_https = ${protocol === "https:" ? "True" : "False"}`,
    ].join("\n");
  },
  rclone: ({ accessKeyId, secretAccessKey, endpoint, region }) =>
    [
      "# ~/.config/rclone/rclone.conf",
      "[khmara]",
      "type = s3",
      "provider = Other",
      `access_key_id = ${accessKeyId}`,
      `secret_access_key = ${secretAccessKey}`,
      `endpoint = ${endpoint}`,
      `region = ${region}`,
    ].join("\n"),
  environment: ({ accessKeyId, secretAccessKey, endpoint, region }) =>
    [
      `export AWS_ACCESS_KEY_ID=${accessKeyId}`,
      `export AWS_SECRET_ACCESS_KEY=${secretAccessKey}`,
      `export AWS_REGION=${region}`,
      `export AWS_ENDPOINT_URL=${endpoint}`,
    ].join("\n"),
};
