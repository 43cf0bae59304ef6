from broker import channel


def work(channel, method, properties, body):
    channel.basic_publish("", "done", body.upper())
    channel.basic_ack(method.delivery_tag)


own = channel()
own.basic_consume("todo", work)
own.start_consuming()
