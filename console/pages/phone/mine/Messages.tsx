import { Button, Select, Textarea } from "@mantine/core";
import { IconSend } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import type { Extension } from "../../../../services/voice/extensions/contract.ts";
import type { ConversationView } from "../../../../services/voice/messages/contract.ts";
import { callApi, invalidate, useApiList } from "../../../api/api.ts";
import { queries } from "../../../frame/queries.ts";
import { useFormat } from "../../../i18n/format.ts";
import { useT } from "../../../i18n/i18n.ts";
import { toastError } from "../../../ui/toast.ts";
import css from "../phone.module.css";
import { useExtensionOptions } from "../shared/destinations.ts";
import { narrow } from "../shared/narrow.ts";

const refresh = () => invalidate(queries, ["myConversationList", "myChatMessageList"]);

/** Short messages between extensions; phones that can show them too. */
export function Messages({ extension }: { extension: Extension }) {
  const t = useT();
  const [to, setTo] = useState<string>();
  const conversations = useApiList("myConversationList", { extension: extension.id });
  const options = useExtensionOptions(extension.phoneSystemId);
  const rows = conversations.rows ?? [];
  const other = to ?? rows[0]?.otherExtensionId;
  const conversation = rows.find(({ otherExtensionId }) => otherExtensionId === other);
  return (
    <>
      <Select
        label={t("phone.messages.new")}
        placeholder={t("phone.messages.who")}
        searchable
        limit={60}
        classNames={narrow}
        mb="md"
        value={null}
        data={options.filter(({ value }) => value !== extension.id)}
        onChange={(value) => value && setTo(value)}
      />
      {other === undefined ? (
        <p className={css.muted}>{t("phone.messages.none")}</p>
      ) : (
        <div className={css.chat}>
          <ul className={css.people} aria-label={t("phone.messages.conversations")}>
            {rows.map((one) => (
              <li key={one.id}>
                <button type="button" aria-current={one.otherExtensionId === other} onClick={() => setTo(one.otherExtensionId)}>
                  <span>
                    <b>{one.otherName}</b>
                    <small>{one.lastMessage.text}</small>
                  </span>
                  {one.unread > 0 && <b title={t("phone.messages.unread", { count: one.unread })}>{one.unread}</b>}
                </button>
              </li>
            ))}
            {conversation === undefined && (
              <li>
                <button type="button" aria-current="true">
                  <b>{options.find(({ value }) => value === other)?.label}</b>
                </button>
              </li>
            )}
          </ul>
          <div className={css.talk}>
            {conversation ? <Talk conversation={conversation} /> : <div style={{ flex: 1 }} />}
            <Write from={extension.id} to={other as Extension["id"]} key={other} />
          </div>
        </div>
      )}
    </>
  );
}

function Talk({ conversation }: { conversation: ConversationView }) {
  const t = useT();
  const format = useFormat();
  const messages = useApiList("myChatMessageList", { conversation: conversation.id });
  const newest = conversation.lastMessage;
  const unread = conversation.unread > 0;
  useEffect(() => {
    if (!unread) return;
    void callApi("myConversationRead", { conversation: conversation.id, upTo: newest.id })
      .then(() => invalidate(queries, ["myConversationList"]))
      .catch(() => {});
  }, [conversation.id, newest.id, unread]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by keyboard
    <ol className={css.messages} aria-label={t("phone.messages.with", { name: conversation.otherName })} tabIndex={0}>
      {messages.rows?.map((message) => {
        const mine = message.fromExtensionId === conversation.extensionId;
        return (
          <li key={message.id} data-mine={mine || undefined}>
            {message.text}
            <small>
              {format.dateTime(message.createdAt)}
              {mine && message.readAt ? ` · ${t("phone.messages.read")}` : ""}
            </small>
          </li>
        );
      })}
      {messages.hasMore && (
        <li>
          <Button variant="subtle" size="xs" loading={messages.loadingMore} onClick={messages.loadMore}>
            {t("phone.messages.older")}
          </Button>
        </li>
      )}
    </ol>
  );
}

function Write({ from, to }: { from: Extension["id"]; to: Extension["id"] }) {
  const t = useT();
  const [text, setText] = useState("");
  const [sending, setSending] = useState(false);
  const send = async () => {
    if (text.trim() === "" || sending) return;
    setSending(true);
    try {
      await callApi("myChatMessageCreate", { extension: from, to, text });
      setText("");
      await refresh();
    } catch (error) {
      toastError(error);
    } finally {
      setSending(false);
    }
  };
  return (
    <form
      className={css.write}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <Textarea
        aria-label={t("phone.messages.text")}
        placeholder={t("phone.messages.text")}
        autosize
        minRows={1}
        maxRows={6}
        maxLength={2000}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
          event.preventDefault();
          void send();
        }}
      />
      <Button type="submit" loading={sending} disabled={text.trim() === ""} leftSection={<IconSend size={16} aria-hidden />}>
        {t("phone.messages.send")}
      </Button>
    </form>
  );
}
