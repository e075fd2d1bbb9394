# Where events go that the function could not take for hours. No data is lost with one: the object waits in landing,
# and the sweep finds it; what is here says that, and why, the ordinary way failed (docs/adr/0015-dead-letters.md).

variable "delivery_attempts" {
  description = "How often an event is delivered before it is a dead letter. With Eventarc's delays of up to ten minutes 50 are about seven hours; Eventarc drops an event after 24."
  type        = number
  default     = 50

  validation {
    condition     = var.delivery_attempts >= 5 && var.delivery_attempts <= 100 && floor(var.delivery_attempts) == var.delivery_attempts
    error_message = "Expected a whole number from 5 to 100, which are Pub/Sub's limits."
  }
}

resource "google_pubsub_topic" "dead_letter" {
  #checkov:skip=CKV_GCP_83:encrypted with kms_key where an environment has one, with Google's keys else; events name objects and hold none of their content
  name         = "landfall-dead-letters"
  kms_key_name = var.kms_key

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.api, google_kms_crypto_key_iam_member.grant]
}

resource "google_pubsub_subscription" "dead_letter" {
  name                       = "landfall-dead-letters"
  topic                      = google_pubsub_topic.dead_letter.id
  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s"

  # A month without a dead letter is how it should be, and no reason to stop collecting them.
  expiration_policy {
    ttl = ""
  }
}

# Eventarc makes the subscription behind the function's trigger, under a name of its own, and no resource has an argument
# for that one's dead letters. A trigger that is made anew has a new one, and so may a function that is deployed again.
resource "terraform_data" "dead_letters" {
  count = var.gcloud_steps && var.composer_enabled ? 1 : 0

  triggers_replace = {
    trigger  = google_cloudfunctions2_function.trigger_ingest[0].event_trigger[0].trigger
    function = google_cloudfunctions2_function.trigger_ingest[0].build_config[0].source[0].storage_source[0].object
    topic    = google_pubsub_topic.dead_letter.id
    attempts = var.delivery_attempts
  }

  provisioner "local-exec" {
    command = "\"$SCRIPT\" \"$TRIGGER\" \"$TOPIC\" \"$ATTEMPTS\" \"$AGENT\""
    environment = {
      SCRIPT   = abspath("${path.module}/scripts/bind-dead-letters")
      TRIGGER  = google_cloudfunctions2_function.trigger_ingest[0].event_trigger[0].trigger
      TOPIC    = google_pubsub_topic.dead_letter.id
      ATTEMPTS = var.delivery_attempts
      AGENT    = local.agents["pubsub agent"]
    }
  }

  # Without the right to publish, Pub/Sub keeps delivering what should be dead.
  depends_on = [google_pubsub_topic_iam_member.grant]
}
