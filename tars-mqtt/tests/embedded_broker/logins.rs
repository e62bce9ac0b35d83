use rumqttc::ConnectReturnCode::{BadClientId, BadUserNamePassword, NotAuthorized};
use tars_mqtt::broker::EmbeddedBroker;

use crate::client::{Connect, broker};

async fn guarded() -> EmbeddedBroker {
    EmbeddedBroker::builder()
        .address("127.0.0.1:0")
        .users([("alice", "first"), ("bob", "second")])
        .user("carol", "third")
        .start()
        .await
        .expect("a free port can be listened on")
}

#[tokio::test]
async fn with_users_only_they_get_in_with_their_own_password() {
    let broker = guarded().await;
    for (name, password) in [("alice", "first"), ("bob", "second"), ("carol", "third")] {
        Connect::to(&broker, "client").credentials(name, password).connect().await;
    }
    for (name, password) in [("alice", "second"), ("alice", ""), ("dave", "first")] {
        let refused = Connect::to(&broker, "client").credentials(name, password).refused().await;
        assert_eq!(refused, BadUserNamePassword, "{name:?} with {password:?}");
    }
    assert_eq!(Connect::to(&broker, "client").refused().await, NotAuthorized);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn wrong_passwords_do_not_lock_anybody_out() {
    let broker = guarded().await;
    for _ in 0..20 {
        Connect::to(&broker, "client").credentials("alice", "wrong").refused().await;
    }
    Connect::to(&broker, "client").credentials("alice", "first").connect().await;
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn an_empty_list_of_users_lets_nobody_in() {
    let nobody: [(String, String); 0] = [];
    let broker = EmbeddedBroker::builder().address("127.0.0.1:0").users(nobody);
    let broker = broker.start().await.unwrap();
    assert_eq!(Connect::to(&broker, "client").refused().await, NotAuthorized);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_persistent_session_belongs_to_the_user_who_began_it() {
    let broker = guarded().await;
    let connect =
        |name, password| Connect::to(&broker, "shared-id").persistent().credentials(name, password);
    connect("alice", "first").connect().await.disconnect().await;
    assert_eq!(connect("bob", "second").refused().await, NotAuthorized);
    assert!(connect("alice", "first").connect().await.session_present);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn without_users_any_name_gets_in() {
    let broker = broker().await;
    Connect::to(&broker, "client").credentials("anybody", "anything").connect().await;
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_id_with_a_slash_is_refused() {
    let broker = broker().await;
    for id in ["a/b", "a\\b", "..", "a\tb"] {
        assert_eq!(Connect::to(&broker, id).refused().await, BadClientId, "{id:?}");
    }
    Connect::to(&broker, "Größe: a.b#c+d e").connect().await;
    broker.stop().await.unwrap();
}
